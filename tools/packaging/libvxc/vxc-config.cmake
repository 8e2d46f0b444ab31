# find_package(vxc): vxc::vxc is the shared library, vxc::vxc_static the static one.
include(CMakeFindDependencyMacro)
find_dependency(Threads)
include(${CMAKE_CURRENT_LIST_DIR}/vxc-targets.cmake)
