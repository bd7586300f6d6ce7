#!/bin/sh
# Runs a throw-away Dovecot for the transcripts, in the foreground until it is stopped: IMAP, IMAPS, POP3, POP3S and
# LMTP on loopback, any account with any password; with METADATA, QUOTA and COMPRESS. Needs Debian's dovecot-imapd,
# dovecot-pop3d and dovecot-lmtpd, and openssl; run it as root (Dovecot changes users).
#
#   protocol-tests/subjects/dovecot.sh 2000    # ports 2143 2993 2110 2995 2024
#   cargo run -p protocol-tests -- run --imap 127.0.0.1:2143 --imaps 127.0.0.1:2993 --pop3 127.0.0.1:2110 \
#     --pop3s 127.0.0.1:2995 --lmtp 127.0.0.1:2024 --user 't{n}@localhost'
set -eu
base=${1:-20000}
folder=$(mktemp -d)
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null; rm -rf "$folder"' EXIT INT TERM
chmod 755 "$folder"
mkdir "$folder/mail" "$folder/run" "$folder/state"
chmod 777 "$folder/mail"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
  -keyout "$folder/key.pem" -out "$folder/certificate.pem" 2>/dev/null
cat >"$folder/dovecot.conf" <<CONF
base_dir = $folder/run
state_dir = $folder/state
log_path = $folder/log
protocols = imap pop3 lmtp
listen = 127.0.0.1
mail_location = mdbox:$folder/mail/%u
mail_uid = mail
mail_gid = mail
first_valid_uid = 1
ssl = yes
ssl_cert = <$folder/certificate.pem
ssl_key = <$folder/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain
passdb {
  driver = static
  args = nopassword=y
}
userdb {
  driver = static
  args = uid=mail gid=mail home=$folder/mail/%u allow_all_users=yes
}
namespace inbox {
  inbox = yes
  separator = /
  mailbox INBOX {
    auto = create
  }
  mailbox Drafts {
    special_use = \Drafts
    auto = create
  }
  mailbox Sent {
    special_use = \Sent
    auto = create
  }
}
# Without its own entry in the index INBOX is told as neither subscribed nor there until its first message.
mailbox_list_index = yes
mailbox_list_index_include_inbox = yes
# A second NOTIFY SET watches by looking, every 30 s where nothing is said.
mailbox_idle_check_interval = 1 secs
mail_attribute_dict = file:%h/attributes
mail_plugins = quota zlib
plugin {
  quota = count:User quota
  quota_vsizes = yes
  quota_rule = *:storage=1G:messages=100000
}
protocol imap {
  mail_plugins = quota zlib imap_quota imap_zlib
  imap_metadata = yes
}
mail_max_userip_connections = 1000
lmtp_save_to_detail_mailbox = no
recipient_delimiter = +
service anvil {
  client_limit = 4000
}
service imap-login {
  # Sixteen transcripts at once want their logins without a process for each.
  service_count = 0
  process_min_avail = 2
  inet_listener imap {
    port = $((base + 143))
  }
  inet_listener imaps {
    port = $((base + 993))
    ssl = yes
  }
}
service pop3-login {
  service_count = 0
  inet_listener pop3 {
    port = $((base + 110))
  }
  inet_listener pop3s {
    port = $((base + 995))
    ssl = yes
  }
}
service lmtp {
  process_min_avail = 4
  inet_listener lmtp {
    address = 127.0.0.1
    port = $((base + 24))
  }
}
CONF
dovecot -F -c "$folder/dovecot.conf" &
server=$!
echo "Dovecot runs on ports $((base + 143)) $((base + 993)) $((base + 110)) $((base + 995)) $((base + 24)); log: $folder/log"
wait "$server"
