#!/bin/sh
# Runs a throw-away Postfix for the transcripts, in the foreground until it is stopped: SMTP, and submission with and without
# TLS from the start for any account with the password `correct-horse`, on loopback, delivering over LMTP to whatever listens
# there (dovecot.sh or cyrus.sh, so that IMAP shows what arrived). It takes Debian's packages without installing them
# (packages.sh); openssl and perl have to be there. Run it as root, which makes it the users `news` and `mail`.
#
#   protocol-tests/subjects/postfix.sh 20000 127.0.0.1:20024    # ports 20025 20587 20465
#   cargo run -p protocol-tests -- run --relay --smtp 127.0.0.1:20025 --submission 127.0.0.1:20587 \
#     --submissions 127.0.0.1:20465 --imap 127.0.0.1:20143 --user 't{n}@localhost' smtp/
set -eu
base=${1:-20000}
lmtp=${2:-127.0.0.1:20024}
. "$(dirname "$0")/packages.sh"
folder=$(mktemp -d)
postfix= passwords=
# The script that starts Postfix passes no signal on.
trap 'kill $(cat "$folder/queue/pid/master.pid" 2>/dev/null) $passwords 2>/dev/null; wait; until rm -rf "$folder" 2>/dev/null; do sleep 0.1; done' EXIT
trap 'exit 0' INT TERM
chmod 755 "$folder"
unpack "$folder/unpacked" postfix libsasl2-modules
mkdir "$folder/etc" "$folder/etc/sasl" "$folder/queue" "$folder/data" "$folder/saslauthd"
# No Postfix of this machine runs as `news`.
chown news "$folder/data"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
  -keyout "$folder/key.pem" -out "$folder/certificate.pem" 2>/dev/null
cat >"$folder/etc/sasl/smtpd.conf" <<CONF
pwcheck_method: saslauthd
saslauthd_path: $folder/saslauthd/mux
mech_list: PLAIN LOGIN
CONF
cat >"$folder/etc/main.cf" <<CONF
compatibility_level = 3.6
command_directory = $folder/unpacked/usr/sbin
daemon_directory = $folder/unpacked/usr/lib/postfix/sbin
shlib_directory = $folder/unpacked/usr/lib/postfix
meta_directory = $folder/unpacked/etc/postfix
sendmail_path = $folder/unpacked/usr/sbin/sendmail
import_environment = MAIL_CONFIG MAIL_LOGTAG TZ LANG=C POSTLOG_SERVICE POSTLOG_HOSTNAME LD_LIBRARY_PATH SASL_PATH
mail_owner = news
setgid_group = uucp
minimal_backoff_time = 1s
queue_run_delay = 1s
queue_directory = $folder/queue
data_directory = $folder/data
maillog_file = $folder/log
maillog_file_prefixes = $folder
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
# Whoever comes is a stranger, from loopback too.
mynetworks =
local_header_rewrite_clients =
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
myhostname = mail.example.org
mydestination =
virtual_mailbox_domains = localhost
virtual_mailbox_maps = static:all
virtual_transport = lmtp:inet:$lmtp
recipient_delimiter = +
smtpd_tls_security_level = may
smtpd_tls_cert_file = $folder/certificate.pem
smtpd_tls_key_file = $folder/key.pem
smtpd_forbid_bare_newline = yes
smtpd_forbid_bare_newline_exclusions =
cyrus_sasl_config_path = $folder/etc/sasl
message_size_limit = 52428800
smtpd_client_connection_count_limit = 0
smtpd_error_sleep_time = 0
CONF
login="-o smtpd_sasl_auth_enable=yes -o smtpd_relay_restrictions=permit_sasl_authenticated,reject"
cat >"$folder/etc/master.cf" <<CONF
$((base + 25)) inet n - n - - smtpd
$((base + 587)) inet n - n - - smtpd $login -o smtpd_tls_auth_only=yes
$((base + 465)) inet n - n - - smtpd $login -o smtpd_tls_wrappermode=yes
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
lmtp unix - - n - - lmtp
scache unix - - n - 1 scache
smtp unix - - n - - smtp
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
CONF
perl "$(dirname "$0")/saslauthd.pl" "$folder/saslauthd/mux" correct-horse &
passwords=$!
LD_LIBRARY_PATH=$(libraries "$folder/unpacked")
SASL_PATH=$(find "$folder/unpacked/usr/lib" /usr/lib -type d -name sasl2 | paste -sd: -)
export LD_LIBRARY_PATH SASL_PATH
# Postfix signals its process group when it ends: it gets one of its own.
setsid "$folder/unpacked/usr/sbin/postfix" -c "$folder/etc" start-fg &
postfix=$!
listens "$postfix" $((base + 25)) $((base + 587)) $((base + 465))
echo "Postfix $(version postfix) runs on ports $((base + 25)) $((base + 587)) $((base + 465)); log: $folder/log"
wait "$postfix"
