#!/bin/bash
# timeout: 240
# The library as its users meet it: installed into a prefix of its own, found by pkg-config and by
# CMake, linked shared and static, from C and C++; it shows what its headers declare and nothing
# else, and its binary interface is the one of the reference.
# shellcheck source=../lib/node.sh
. "$(dirname "$0")/../lib/node.sh"

prefix=$work/prefix
program=$repository/tests/integration/install_program.c
version=$(sed -n 's/^project(.* VERSION \([0-9.]*\) .*/\1/p' "$repository/CMakeLists.txt")
warnings='-Wall -Wextra -Werror -pedantic'

cmake --install "$VXC_BIN" --prefix "$prefix" >"$work/install.log" 2>&1 ||
    give_up 'cmake --install' "$(tail -n 5 "$work/install.log")"
libdir=$(dirname "$(find "$prefix" -name 'libvxc.so' | head -n 1)")
PKG_CONFIG_PATH=$libdir/pkgconfig
export PKG_CONFIG_PATH

for file in bin/vxcd bin/vxc include/vxc.h include/vxc/client.h include/vxc/error.h; do
    check "installed: $file" test -f "$prefix/$file"
done
equal 'the installed programs run' "vxcd $version" "$("$prefix/bin/vxcd" --version)"

# ---- what the libraries show ----

# Every function that the installed headers declare, by the compiler's own account.
declared() {
    (cd "$prefix/include" && find . -name '*.h' -printf '#include <%P>\n') >"$work/all.c"
    gcc -I "$prefix/include" -fsyntax-only -aux-info "$work/all.txt" "$work/all.c" || return
    grep -F "$prefix/include/" "$work/all.txt" | grep -v '\*/ static' |
        grep -oE '\bvxc_[a-z0-9_]+ \(' | tr -d ' (' | sort -u
}

functions=$(declared)
check 'the headers declare functions' test "$(wc -l <<<"$functions")" -gt 30
equal 'the shared library exports what the headers declare, and nothing else' "$functions" \
    "$(nm -D --defined-only "$libdir/libvxc.so" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort -u)"
equal 'the static library defines the same names' "$functions" \
    "$(nm -g --defined-only "$libdir/libvxc.a" 2>/dev/null | awk 'NF == 3 { print $3 }' | sort -u)"
equal 'its SONAME' libvxc.so.1 \
    "$(readelf -d "$libdir/libvxc.so" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')"

# ---- the headers ----

each_alone() { # COMPILER OPTION…
    local header
    for header in "$prefix"/include/vxc.h "$prefix"/include/vxc/*.h; do
        # shellcheck disable=SC2086 # words
        "$@" $warnings -fsyntax-only -I "$prefix/include" -include "$header" /dev/null || return
    done
}

# Packages of the headers that ours include.
included_packages() {
    gcc -M -I "$prefix/include" "$work/all.c" | tr -s ' \134' '\n' | grep '^/usr/include' |
        sort -u | xargs dpkg-query -S | cut -d: -f1 | tr ',' '\n' | tr -d ' ' | sort -u
}

check 'each header alone is C99' each_alone gcc -x c -std=c99
check 'each header alone is C++11' each_alone g++ -x c++ -std=c++11
check 'each header alone is C++20' each_alone g++ -x c++ -std=c++20
equal 'the headers include nothing but libc' '' \
    "$(included_packages | grep -vxE 'libc6-dev|linux-libc-dev')"

# ---- programs ----

node_start "$work/data"

# works NAME PROGRAM: it runs and says the version that it wrote to the node and read back.
works() {
    equal "$1" "$version" "$(LD_LIBRARY_PATH=$libdir "$2" "$VERTX_CLUSTER_ENDPOINTS" 2>&1)"
}

needs_shared() {
    readelf -d "$1" | grep -q 'NEEDED.*libvxc'
}

flags=$(pkg-config --cflags vxc)
equal 'pkg-config knows the version' "$version" "$(pkg-config --modversion vxc)"
# shellcheck disable=SC2046,SC2086 # words
{
    check 'C by pkg-config, shared' gcc -std=c99 $warnings $flags "$program" -o "$work/c_shared" \
        $(pkg-config --libs vxc)
    check 'C by pkg-config, static' gcc -std=c99 $warnings $flags "$program" -o "$work/c_static" \
        $(pkg-config --static --libs vxc | sed 's/-lvxc\b/-l:libvxc.a/')
    check 'C++ by pkg-config, shared' g++ -std=c++11 $warnings $flags -x c++ "$program" \
        -o "$work/cxx_shared" $(pkg-config --libs vxc)
}
works 'the shared C program works' "$work/c_shared"
works 'the static C program works' "$work/c_static"
works 'the C++ program works' "$work/cxx_shared"
check 'the shared program needs the library' needs_shared "$work/c_shared"
check 'the static program does not' eval "! needs_shared '$work/c_static'"

mkdir "$work/user"
cp "$program" "$work/user/program.c"
cp "$program" "$work/user/program.cpp"
cat >"$work/user/CMakeLists.txt" <<EOF
cmake_minimum_required(VERSION 3.25)
project(user LANGUAGES C CXX)
find_package(vxc ${version%.*} REQUIRED)
add_executable(shared program.c)
target_link_libraries(shared PRIVATE vxc::vxc)
add_executable(static program.c)
target_link_libraries(static PRIVATE vxc::vxc_static)
add_executable(cxx program.cpp)
target_link_libraries(cxx PRIVATE vxc::vxc)
EOF
check 'CMake finds the package' cmake -S "$work/user" -B "$work/user/build" \
    -DCMAKE_PREFIX_PATH="$prefix"
check 'CMake builds with it' cmake --build "$work/user/build"
for kind in shared static cxx; do
    works "the program by find_package works: $kind" "$work/user/build/$kind"
done
check 'the one of vxc::vxc needs the library' needs_shared "$work/user/build/shared"
check 'the one of vxc::vxc_static does not' eval "! needs_shared '$work/user/build/static'"
node_stop

# ---- the binary interface ----

abi=$repository/tests/abi/abi
check 'the binary interface is the one of the references' "$abi" check "$VXC_BIN"

# notices NAME FILE SED: a reference that SED changed is another one.
notices() {
    rm -rf "$work/references"
    mkdir "$work/references"
    cp "$repository"/tests/abi/*.abi "$work/references"
    sed -i "$3" "$work/references/$2"
    refused "$1" cmp -s "$repository/tests/abi/$2" "$work/references/$2"
    refused "$1, by abidiff" env VXC_ABI_REFERENCES="$work/references" "$abi" check "$VXC_BIN"
}

# refused NAME COMMAND…: the command says no.
refused() {
    local name=$1
    shift
    if "$@" >"$work/refused.log" 2>&1; then not_ok "$name" "succeeded: $*"; else ok "$name"; fi
}

notices 'a function more is noticed' libvxc.abi \
    "/elf-symbol name='vxc_client_call'/d; /<function-decl name='vxc_client_call'/,/<\/function-decl>/d"
notices 'another size of a struct is noticed' headers.abi \
    "s/\(class-decl name='vxc_session_handle' size-in-bits=\)'[0-9]*'/\1'64'/"
notices 'another number of a code is noticed' headers.abi \
    "s/\(name='VXC_EADDRESS' value=\)'-33'/\1'-34'/"

finish
