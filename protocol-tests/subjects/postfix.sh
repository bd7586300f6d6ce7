#!/bin/sh
# Runs a throw-away Postfix for the transcripts, in the foreground until it is stopped: SMTP on loopback, delivering over
# LMTP to whatever listens there (dovecot.sh, so that IMAP shows what arrived). Needs Debian's postfix and openssl; run it
# as root (Postfix changes users).
#
#   protocol-tests/subjects/postfix.sh 20025 127.0.0.1:20024
set -eu
port=${1:-20025}
lmtp=${2:-127.0.0.1:20024}
folder=$(mktemp -d)
trap 'postfix -c "$folder/etc" stop 2>/dev/null; rm -rf "$folder"' EXIT INT TERM
chmod 755 "$folder"
mkdir "$folder/etc" "$folder/queue" "$folder/data"
chown postfix "$folder/data"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
  -keyout "$folder/key.pem" -out "$folder/certificate.pem" 2>/dev/null
cat >"$folder/etc/main.cf" <<CONF
compatibility_level = 3.6
queue_directory = $folder/queue
data_directory = $folder/data
maillog_file = $folder/log
maillog_file_prefixes = $folder
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.example.org
mydestination =
virtual_mailbox_domains = localhost
virtual_mailbox_maps = static:all
virtual_transport = lmtp:inet:$lmtp
smtpd_tls_security_level = may
smtpd_tls_cert_file = $folder/certificate.pem
smtpd_tls_key_file = $folder/key.pem
smtpd_forbid_bare_newline = yes
smtpd_forbid_bare_newline_exclusions =
message_size_limit = 52428800
smtpd_client_connection_count_limit = 0
smtpd_error_sleep_time = 0
CONF
cat >"$folder/etc/master.cf" <<CONF
$port inet n - n - - smtpd
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
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
CONF
postfix -c "$folder/etc" start-fg &
echo "Postfix runs on port $port; log: $folder/log"
wait $!
