#!/bin/sh
# Runs a throw-away Cyrus IMAP for the transcripts, in the foreground until it is stopped: IMAP, IMAPS, POP3, POP3S and LMTP
# on loopback, any account with the password `correct-horse`; with idled, conversations and quota. It takes
# Debian's packages without installing them (packages.sh); openssl and perl have to be there. Run it as root, which makes it
# the user `mail`.
#
#   protocol-tests/subjects/cyrus.sh 40000    # ports 40143 40993 40110 40995 40024
#   cargo run -p protocol-tests -- run --imap 127.0.0.1:40143 --imaps 127.0.0.1:40993 --pop3 127.0.0.1:40110 \
#     --pop3s 127.0.0.1:40995 --lmtp 127.0.0.1:40024 --user 't{n}@localhost'
set -eu
base=${1:-40000}
. "$(dirname "$0")/packages.sh"
folder=$(mktemp -d)
master= passwords=
trap 'kill $master $passwords 2>/dev/null; wait; until rm -rf "$folder" 2>/dev/null; do sleep 0.1; done' EXIT
trap 'exit 0' INT TERM
chmod 755 "$folder"
unpack "$folder/unpacked" cyrus-imapd cyrus-common cyrus-pop3d libsasl2-modules
bin=$folder/unpacked/usr/lib/cyrus/bin
for name in state mail saslauthd; do mkdir "$folder/$name"; done
for name in db proc lock socket log msg ptclient sieve; do mkdir "$folder/state/$name"; done
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
  -keyout "$folder/key.pem" -out "$folder/certificate.pem" 2>/dev/null
chown -R mail:mail "$folder/state" "$folder/mail" "$folder/key.pem"
cat >"$folder/imapd.conf" <<CONF
cyrus_user: mail
cyrus_group: mail
servername: mail.example.org
configdirectory: $folder/state
sievedir: $folder/state/sieve
defaultpartition: default
partition-default: $folder/mail
mboxname_lockpath: $folder/state/lock
proc_path: $folder/state/proc
idlesocket: $folder/state/socket/idle
lmtpsocket: $folder/state/socket/lmtp
notifysocket: $folder/state/socket/notify
tls_server_cert: $folder/certificate.pem
tls_server_key: $folder/key.pem
sasl_mech_list: PLAIN LOGIN
sasl_pwcheck_method: saslauthd
sasl_saslauthd_path: $folder/saslauthd/mux
allowplaintext: yes
# Names as an address has them, and as our own are: localhost's users, hierarchy by /, no INBOX before what lies beside it.
virtdomains: userid
defaultdomain: localhost
unixhierarchysep: yes
altnamespace: yes
# Accounts come into being when they log in or get mail. What is posted to user+folder goes there.
autocreate_quota: 1048576
autocreate_post: yes
autocreate_acl: "INBOX" anyone p
lmtp_fuzzy_mailbox_match: no
conversations: yes
specialusealways: yes
# A mailbox with a use may be deleted; an empty list is an error.
specialuse_protect: \\Flagged
annotation_allow_undefined: yes
# The same message comes again and again.
duplicatesuppression: no
conversations_max_guidexists: 100000
conversations_max_guidinfolder: 100000
conversations_max_guidrecords: 100000
munge8bit: no
# Where wrong passwords are tried on purpose, nobody has to wait.
failedloginpause: 0
maxlogins_per_host: 0
CONF
cat >"$folder/cyrus.conf" <<CONF
START {
  recover cmd="$bin/ctl_cyrusdb -C $folder/imapd.conf -r"
}
SERVICES {
  imap cmd="$bin/imapd -C $folder/imapd.conf" listen="127.0.0.1:$((base + 143))" prefork=0 maxforkrate=100
  imaps cmd="$bin/imapd -C $folder/imapd.conf -s" listen="127.0.0.1:$((base + 993))" prefork=0 maxforkrate=100
  pop3 cmd="$bin/pop3d -C $folder/imapd.conf" listen="127.0.0.1:$((base + 110))" prefork=0 maxforkrate=100
  pop3s cmd="$bin/pop3d -C $folder/imapd.conf -s" listen="127.0.0.1:$((base + 995))" prefork=0 maxforkrate=100
  lmtp cmd="$bin/lmtpd -C $folder/imapd.conf -a" listen="127.0.0.1:$((base + 24))" prefork=0 maxforkrate=100
}
DAEMON {
  idled cmd="$bin/idled -C $folder/imapd.conf"
}
CONF
perl "$(dirname "$0")/saslauthd.pl" "$folder/saslauthd/mux" correct-horse &
passwords=$!
LD_LIBRARY_PATH=$(libraries "$folder/unpacked") \
  SASL_PATH=$(find "$folder/unpacked/usr/lib" /usr/lib -type d -name sasl2 | paste -sd: -) \
  "$bin/master" -D -C "$folder/imapd.conf" -M "$folder/cyrus.conf" -p "$folder/state/master.pid" &
master=$!
listens "$master" $((base + 143)) $((base + 993)) $((base + 110)) $((base + 995)) $((base + 24))
echo "Cyrus $(version cyrus-imapd) runs on ports $((base + 143)) $((base + 993)) $((base + 110)) $((base + 995)) $((base + 24))"
wait "$master"
