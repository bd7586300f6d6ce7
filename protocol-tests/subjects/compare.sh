#!/bin/sh
# Runs the transcripts against Postbell, Dovecot, Cyrus and Postfix, each started for this and thrown away afterwards, and
# puts the results into docs/CONFORMANCE.md. It takes some minutes, and has to be run as root on Debian. Cyrus and Postfix
# are unpacked and not installed; Dovecot is installed where it is missing, without being started, and removed again.
# What stays is the page, and what was built and downloaded in target/. Ports from 20000 to 23999, or as BASE says.
#
#   protocol-tests/subjects/compare.sh                     # everything
#   protocol-tests/subjects/compare.sh --quick             # what measures a time is run once instead of five times
#   protocol-tests/subjects/compare.sh --show push/idle    # some of it, and the page goes to standard output alone
set -eu
cd "$(dirname "$0")/../.."
. protocol-tests/subjects/packages.sh
base=${BASE:-20000} rounds=5 show=
while :; do
  case ${1:-} in
  --quick) rounds=1 ;;
  --show) show=yes ;;
  -*) sed -n '2,/^set/p' protocol-tests/subjects/compare.sh | sed '$d; s/^# \{0,1\}//' && exit 2 ;;
  *) break ;;
  esac
  shift
done
if [ $# -gt 0 ] && [ -z "$show" ]; then echo "a part of the results is no page: --show" >&2 && exit 2; fi
[ "$(id -u)" = 0 ] || { echo "the servers change users: run this as root" >&2 && exit 2; }

work=$(mktemp -d)
started= installed= forbidden=
finish() {
  # Each ends what it started and removes its folder.
  for process in $started; do kill "$process" 2>/dev/null && wait "$process" || true; done
  if [ -n "$installed" ]; then apt-get -y -qq purge $installed >/dev/null && apt-get -y -qq autoremove >/dev/null; fi
  if [ -n "$forbidden" ]; then rm -f /usr/sbin/policy-rc.d; fi
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

if ! command -v dovecot >/dev/null; then
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d
    forbidden=yes
  fi
  installed="dovecot-core dovecot-imapd dovecot-pop3d dovecot-lmtpd"
  DEBIAN_FRONTEND=noninteractive apt-get -y -qq --no-install-recommends install $installed >/dev/null ||
    { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -y -qq --no-install-recommends install $installed >/dev/null; }
fi
cargo build --quiet --workspace --bins
built=${CARGO_TARGET_DIR:-target}/debug

# start NAME SCRIPT ARGUMENTS: in the background; returns when it says that it runs.
start() {
  said=$work/$1
  shift
  "$@" >"$said" 2>&1 &
  started="$started $!"
  until grep -q " runs on ports\|^{" "$said"; do
    kill -0 $! 2>/dev/null || { cat "$said" >&2 && return 1; }
    sleep 0.2
  done
}

# hold NAME WHAT-IT-IS OPTIONS: runs the transcripts, and remembers what came of it.
hold() {
  name=$1 server=$2
  shift 2
  echo "$server" >&2
  known=protocol-tests/subjects/$name.known
  if [ -e "$known" ]; then set -- --known "$known" "$@"; fi
  status=0
  "$built/protocol-tests" run --rounds "$rounds" --format json --output "$work/$name.json" --user 't{n}@localhost' "$@" ||
    status=$?
  # 1 says that something failed, which is what the page is for.
  [ "$status" -le 1 ] || exit "$status"
  results="$results
$server=$work/$name.json"
}

# mailboxes BASE: the options for a server of mailboxes whose script was given these ports.
mailboxes() {
  echo "--imap 127.0.0.1:$(($1 + 143)) --imaps 127.0.0.1:$(($1 + 993)) --pop3 127.0.0.1:$(($1 + 110))" \
    "--pop3s 127.0.0.1:$(($1 + 995)) --lmtp 127.0.0.1:$(($1 + 24))"
}

results=
own=$((base + 3000))
start postbell "$built/postbell" dev --ready-json --smtp-port $((own + 25)) --submission-port $((own + 587)) \
  --submissions-port $((own + 465)) --lmtp-port $((own + 24)) --imap-port $((own + 143)) --imaps-port $((own + 993)) \
  --pop3-port $((own + 110)) --pop3s-port $((own + 995))
hold postbell "Postbell $("$built/postbell" --version | cut -d' ' -f2)" --smtp 127.0.0.1:$((own + 25)) \
  --submission 127.0.0.1:$((own + 587)) --submissions 127.0.0.1:$((own + 465)) $(mailboxes "$own") "$@"

start dovecot protocol-tests/subjects/dovecot.sh "$base"
listens "${started##* }" $((base + 143)) $((base + 24))
hold dovecot "Dovecot $(dovecot --version | cut -d' ' -f1)" $(mailboxes "$base") "$@"

start cyrus protocol-tests/subjects/cyrus.sh $((base + 1000))
# With sixteen at once wake-ups were lost now and then, with four in no run: its idled is told in datagrams, and Linux keeps ten
# (net.unix.max_dgram_qlen), which is most likely why. A process for each connection takes time to start, too.
hold cyrus "$(sed -n 's/ runs on.*//p' "$work/cyrus")" --jobs 4 --patience 3 $(mailboxes $((base + 1000))) "$@"

# Postfix hands over to Dovecot, whose own doors are no business of its.
for filter in "$@"; do
  shift
  case $filter in smtp*) set -- "$@" "$filter" ;; esac
done
if [ -z "$show" ]; then set -- smtp/; fi
if [ $# -gt 0 ]; then
  start postfix protocol-tests/subjects/postfix.sh $((base + 2000)) 127.0.0.1:$((base + 24))
  hold postfix "$(sed -n 's/ runs on.*//p' "$work/postfix")" --relay --smtp 127.0.0.1:$((base + 2025)) \
    --submission 127.0.0.1:$((base + 2587)) --submissions 127.0.0.1:$((base + 2465)) \
    --imap 127.0.0.1:$((base + 143)) --pop3 127.0.0.1:$((base + 110)) "$@"
fi

page=docs/CONFORMANCE.md
if [ -n "$show" ]; then cp "$page" "$work/page" && page=$work/page; fi
IFS='
'
set -- $results
unset IFS
"$built/protocol-tests" compare --page "$page" \
  --note "As of $(date -u +%Y-%m-%d), on Debian $(cat /etc/debian_version), with protocol-tests/subjects/compare.sh." "$@"
if [ -n "$show" ]; then cat "$page"; fi
