# shellcheck shell=sh
# Building a preset of CMakePresets.json into build/<preset>. Needs tools/lib/common.sh.

: "${root:?the top of the checkout}"
build_jobs=$(nproc 2>/dev/null || echo 2)

# build PRESET [TARGET…]: configures when needed and builds the targets, all of them without any.
# The first configuration leaves the unit tests out when their library is not installed, so that the
# programs can be built with less; build_with_tests puts them in.
build() {
    build_preset=$1
    shift
    build_folder=$root/build/$build_preset
    build_log=$root/build/$build_preset.log
    mkdir -p "$root/build"
    if [ ! -f "$build_folder/build.ninja" ]; then
        tests=ON
        pkg-config --exists cmocka || tests=OFF
        configure "$build_preset" -DVXC_TESTS=$tests || return 1
    fi
    # Ninja configures again by itself when a CMakeLists.txt has changed.
    [ $# -eq 0 ] || set -- --target "$@"
    quietly "$build_log" cmake --build "$build_folder" -j "$build_jobs" "$@"
}

build_with_tests() {
    if ! grep -qs '^VXC_TESTS:BOOL=ON' "$root/build/$1/CMakeCache.txt" ||
        [ ! -f "$root/build/$1/build.ninja" ]; then
        mkdir -p "$root/build"
        configure "$1" -DVXC_TESTS=ON || return 1
    fi
    build "$@"
}

# configure PRESET OPTION…
configure() {
    configure_preset=$1
    shift
    launcher=''
    command -v ccache >/dev/null && launcher=-DCMAKE_C_COMPILER_LAUNCHER=ccache
    # shellcheck disable=SC2086 # an option or nothing
    (cd "$root" && quietly "$root/build/$configure_preset-configure.log" \
        cmake --preset "$configure_preset" $launcher "$@")
}
