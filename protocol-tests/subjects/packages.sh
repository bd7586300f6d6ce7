# For the scripts beside it, which read it in: Debian's packages, unpacked into a folder and never installed, so that a mail
# server of this machine is neither replaced nor touched, and no service is started. What was downloaded stays in target/.

# unpack FOLDER PACKAGE...: the packages, and the libraries that they need and this machine has not, below FOLDER.
unpack() {
  unpack_to=$1
  shift
  downloads=${CARGO_TARGET_DIR:-$(dirname "$0")/../../target}/subjects/$(echo "$*" | tr ' ' -)
  mkdir -p "$downloads/partial" "$unpack_to"
  downloads=$(cd "$downloads" && pwd)
  # One at a time, since two scripts may want the same; as root, since the folder may be closed to apt's own user.
  (
    flock 9
    if [ ! -e "$downloads/complete" ]; then
      download="apt-get -y -qq --no-install-recommends --download-only -o Dir::Cache::archives=$downloads \
        -o APT::Sandbox::User=root install"
      $download "$@" >/dev/null 2>&1 || { apt-get -qq update && $download "$@" >/dev/null; }
      touch "$downloads/complete"
    fi
  ) 9>"$downloads/lock"
  for package in "$downloads"/lib*.deb $(for name in "$@"; do echo "$downloads/${name}"_*.deb; done); do
    # An installed package is not downloaded.
    if [ -e "$package" ]; then dpkg -x "$package" "$unpack_to"; fi
  done
}

# version PACKAGE: of one that was unpacked last.
version() {
  dpkg-deb -f "$downloads/$1"_*.deb Version
}

# libraries FOLDER: where in it shared libraries lie, as LD_LIBRARY_PATH wants it.
libraries() {
  find "$1" -name '*.so*' -exec dirname {} \; | sort -u | paste -sd: -
}

# listens PROCESS PORT...: returns when somebody listens on each of them; fails where the process ends before that.
listens() {
  listening=$1
  shift
  for port in "$@"; do
    until perl -MIO::Socket::INET -e 'exit !IO::Socket::INET->new("127.0.0.1:$ARGV[0]")' "$port"; do
      kill -0 "$listening" || return 1
      sleep 0.1
    done
  done
}
