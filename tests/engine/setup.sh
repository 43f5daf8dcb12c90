#!/usr/bin/env bash
# Sets up Microsoft's debugger engine on Linux, for the tests in this folder. It may run again; the first run takes a minute.
#
#   dbgeng.dll 10.0.15063, pykd 0.3.4.15   from the pykd wheel
#   CPython 3.9.13 for Windows             python39.dll and its .pyd files from the panda3d wheel,
#                                          the standard library from any CPython 3.9 of this machine
#   CPython 3.13 for Windows, no pykd      the same, from the panda3d wheel of that version, where this machine has a CPython 3.13
#   what `pip install .` of this package needs, as wheels for both, and pip itself
#   Wine                                   from the distribution (installed with apt-get if it is missing, as root)
#
# ENGINE_HOME    the folder for all of it (default ~/.cache/windbg-ext-engine)
# PYTHON39_LIB   the standard library of a CPython 3.9, the folder that holds os.py (by default it is searched for)
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
home=${ENGINE_HOME:-$HOME/.cache/windbg-ext-engine}
windows=$home/windows
newer=$home/newer
packages=$windows/Lib/site-packages

fail() {
  echo "setup.sh: $*" >&2
  exit 1
}

install_tools() {
  local missing=()
  command -v wine >/dev/null || missing+=(wine wine64)
  command -v x86_64-w64-mingw32-gcc >/dev/null || missing+=(gcc-mingw-w64-x86-64)
  command -v x86_64-w64-mingw32-g++ >/dev/null || missing+=(g++-mingw-w64-x86-64)
  command -v unzip >/dev/null || missing+=(unzip)
  command -v python3 >/dev/null || missing+=(python3)
  python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip)
  [ ${#missing[@]} -eq 0 ] && return
  command -v apt-get >/dev/null || fail "please install: ${missing[*]}"
  echo "installing ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

fetch_wheel() { # NAME VERSION [PYTHON]
  local python=${3:-39}
  compgen -G "$home/wheels/$1-$2-cp$python-*.whl" >/dev/null && return
  echo "fetching $1 $2 for $python"
  python3 -m pip download --quiet --no-deps --only-binary=:all: --platform win_amd64 --implementation cp \
    --python-version "$python" --dest "$home/wheels" "$1==$2"
}

install_pykd() {
  [ -f "$packages/pykd/dbgeng.dll" ] && return
  fetch_wheel pykd 0.3.4.15
  unzip -q -o "$home"/wheels/pykd-*.whl -d "$packages"
}

# What windbg_ext imports inside the debugger; it is imported from the checkout itself.
install_dependencies() {
  [ -d "$packages/construct" ] && [ -d "$packages/tabulate" ] && [ -d "$packages/jinja2" ] && [ -d "$packages/markupsafe" ] && return
  echo "fetching construct, tabulate, jinja2 and markupsafe"
  python3 -m pip download --quiet --no-deps --only-binary=:all: --python-version 39 --dest "$home/wheels" construct tabulate
  unzip -q -o "$home/wheels/construct-*.whl" -d "$packages"
  unzip -q -o "$home/wheels/tabulate-*.whl" -d "$packages"
  python3 -m pip download --quiet --no-deps --only-binary=:all: --python-version 39 --dest "$home/wheels" jinja2
  python3 -m pip download --quiet --no-deps --only-binary=:all: --platform win_amd64 --implementation cp \
    --python-version 39 --dest "$home/wheels" markupsafe
  unzip -q -o "$home/wheels/jinja2-*.whl" -d "$packages"
  unzip -q -o "$home/wheels/[Mm]arkup[Ss]afe-*.whl" -d "$packages"
}

install_python_dlls() {
  [ -f "$windows/python39.dll" ] && return
  fetch_wheel panda3d 1.10.13
  local unpacked=$home/unpacked
  unzip -q -o "$home"/wheels/panda3d-*.whl 'deploy_libs/*' -d "$unpacked"
  mv "$unpacked"/deploy_libs/{*.pyd,libffi-7.dll,libcrypto-1_1.dll,libssl-1_1.dll,sqlite3.dll} "$windows/DLLs/"
  mv "$unpacked"/deploy_libs/{VCRUNTIME140.dll,python39.dll} "$windows/"
  rm -r "$unpacked"
}

standard_library_candidates() {
  [ -z "${PYTHON39_LIB:-}" ] || echo "$PYTHON39_LIB"
  python3.9 -c 'import os; print(os.path.dirname(os.__file__))' 2>/dev/null || true
  compgen -G "$HOME/.pyenv/versions/3.9.*/lib/python3.9" || true
  compgen -G '/usr/lib/python3.9' || true
  compgen -G '/usr/local/lib/python3.9' || true
}

install_standard_library() {
  [ -f "$windows/Lib/os.py" ] && return
  local library
  while read -r library; do
    [ -f "$library/os.py" ] || continue
    tar -C "$library" --exclude=test --exclude=lib-dynload --exclude='config-*' --exclude=site-packages \
      --exclude=__pycache__ -cf - . | tar -C "$windows/Lib" -xf -
    return
  done < <(standard_library_candidates)
  fail "no CPython 3.9 standard library on this machine: set PYTHON39_LIB to the folder that holds its os.py"
}

# A second Python for Windows, newer than any that pykd has wheels for: without it, the tests that need it are skipped.
newer_library() {
  [ -z "${PYTHON313_LIB:-}" ] || echo "$PYTHON313_LIB"
  python3.13 -c 'import os; print(os.path.dirname(os.__file__))' 2>/dev/null || true
  compgen -G "$HOME/.pyenv/versions/3.13.*/lib/python3.13" || true
}

install_newer_python() {
  local candidate library=
  while read -r candidate; do
    [ -n "$library" ] || library=$candidate
  done < <(newer_library)
  [ -f "$library/os.py" ] || { echo "no CPython 3.13 on this machine: no second Python for Windows" && return; }
  [ ! -f "$newer/python313.dll" ] || return 0
  fetch_wheel panda3d 1.10.16 313
  mkdir -p "$newer/DLLs" "$newer/Lib/site-packages"
  unzip -q -o "$home"/wheels/panda3d-1.10.16-cp313-*.whl 'deploy_libs/*' -x '*.cp313t-*' '*/api-ms-*' -d "$home/unpacked"
  mv "$home"/unpacked/deploy_libs/*.{pyd,dll} "$newer/DLLs/"
  mv "$newer"/DLLs/{VCRUNTIME140.dll,python313.dll} "$newer/"
  rm -r "$home/unpacked"
  rm "$newer/DLLs/_wmi.pyd" # it ends the process under Wine, and Python does without
  tar -C "$library" --exclude=test --exclude=lib-dynload --exclude='config-*' --exclude=site-packages \
    --exclude=__pycache__ -cf - . | tar -C "$newer/Lib" -xf -
  cp -r "$packages"/{construct,tabulate}* "$newer/Lib/site-packages/"
}

# For the tests that type the lines of the manual that install this package: pip finds everything here, on no index.
fetch_wheels_for_pip() { # PYTHON
  local python=$1 wanted stamp=$home/for-pip/complete-$1
  # without the conditions, which pip would look at as of this machine; pykd has no wheels for newer Pythons
  wanted=$(sed -n -e 's/^requires = \["\([^"]*\)"\]/\1/p' -e '/^dependencies = \[/,/^\]/s/^ *"\([^";]*\).*/\1/p' \
    "$here/../../pyproject.toml" | if [ "$python" = 39 ]; then cat; else grep -v '^pykd'; fi)
  [ "$wanted" != "$(cat "$stamp" 2>/dev/null)" ] || return 0
  echo "fetching what pip installs in $python"
  # tomli: what builds the wheel needs it in Pythons before 3.11
  readarray -t wanted <<<"$wanted"
  python3 -m pip download --quiet --only-binary=:all: --platform win_amd64 --implementation cp \
    --python-version "$python" --dest "$home/for-pip" tomli "${wanted[@]}"
  printf '%s\n' "${wanted[@]}" >"$stamp"
}

install_pip() { # unpacked once, for all the Pythons that tests make
  [ -f "$home/pip/pip/__main__.py" ] && return
  echo "fetching pip"
  python3 -m pip download --quiet --no-deps --only-binary=:all: --python-version 39 --dest "$home/wheels" pip
  unzip -q -o "$home/wheels/pip-*.whl" -d "$home/pip"
}

# A wrapper, so that the home of the Windows Python does not leak into any Python of this machine.
write_wrapper() { # FILE PROGRAM WHAT
  local windows_home="Z:${windows//\//\\}"
  cat >"$1" <<WRAPPER
#!/usr/bin/env bash
# $3, under Wine.  Drive Z: is the root of this machine's files.
export WINEPREFIX='$home/prefix' WINEARCH=win64 WINEDEBUG=-all DISPLAY=
export WINEDLLOVERRIDES='mscoree,dbgeng,dbghelp,dbgmodel,symsrv,srcsrv,msdia140=n;winedbg.exe=d'
export PYTHONHOME='$windows_home' WINEPATH='$windows_home'
exec wine '$2' "\$@"
WRAPPER
  chmod +x "$1"
}

install_tools
mkdir -p "$home/wheels" "$home/for-pip" "$windows/DLLs" "$packages"
install_pykd
install_dependencies
install_python_dlls
install_standard_library
install_newer_python
fetch_wheels_for_pip 39
[ ! -d "$newer" ] || fetch_wheels_for_pip 313
install_pip
x86_64-w64-mingw32-gcc -O2 -Wall -Wextra -municode -o "$windows/python.exe" "$here/wine/python.c"
x86_64-w64-mingw32-gcc -O2 -Wall -Wextra -shared -o "$windows/mscoree.dll" "$here/wine/mscoree.c"
cp "$windows/mscoree.dll" "$packages/pykd/" # a debugger that loads pykd as an extension looks for it there
[ ! -d "$newer" ] || x86_64-w64-mingw32-gcc -O2 -Wall -Wextra -municode -o "$newer/python.exe" "$here/wine/newer_python.c"
x86_64-w64-mingw32-g++ -O2 -Wall -Wextra -static -municode -o "$windows/kd.exe" "$here/wine/kd.cpp"
mkdir -p "$home/launcher" # a folder of its own, to be on PATH without a Python
x86_64-w64-mingw32-gcc -O2 -Wall -Wextra -municode -o "$home/launcher/py.exe" "$here/wine/py.c"
mkdir -p "$windows/bootstrapper" # a folder of its own: pykd.dll is the real one's name, too
x86_64-w64-mingw32-g++ -O2 -Wall -Wextra -static -shared -o "$windows/bootstrapper/pykd.dll" "$here/wine/bootstrapper.cpp" \
  "$windows/python39.dll"

# For engine.py, the wrapper is the sign that the engine works, so it gets its name only after a test.
rm -f "$home/winpython"
write_wrapper "$home/kd" "$windows/kd.exe" 'A console debugger'
write_wrapper "$home/cmd" cmd 'The command prompt of Windows'
write_wrapper "$home/winpython.untried" "$windows/python.exe" 'CPython 3.9 for Windows with pykd'
version=$(timeout 300 "$home/winpython.untried" -c 'import pykd; print(pykd.__version__)' </dev/null 2>&1 | tr -d '\r' | tail -n 1)
[ "$version" = 0.3.4.15 ] || fail "pykd does not start under Wine: $version"
mv "$home/winpython.untried" "$home/winpython"
[ ! -d "$newer" ] || write_wrapper "$home/newpython" "$newer/python.exe" 'CPython 3.13 for Windows, without pykd'
echo "$home"
