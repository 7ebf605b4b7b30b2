#!/usr/bin/env bash
# Does deploy/status.service do what it says under a real systemd? `scripts/try_unit.sh EXECUTABLE`, as root, on a Linux that
# has systemd installed, be it running or not: one of its own runs as the first process of namespaces of its own, over a
# copy of /etc that is gone afterwards. Tries readiness, what may be written, that a setting that is wrong is not tried again,
# that a program which hangs (SIGSTOP) is ended and started again, and that `status check` is run as README and status.env
# say, with a secret in a file of root's too. A line a step; three minutes; exits 1 at the first that fails.
set -euo pipefail
program=$(realpath "$1")
unit=$(realpath "$(dirname "$0")/../deploy/status.service")
scratch=$(mktemp -d)
trap 'kill -9 $holder 2>/dev/null; wait 2>/dev/null; rm -rf "$scratch"' EXIT

cat >"$scratch/status.env" <<END
STATUS_HOST_BOOK=127.0.0.1:1
STATUS_HOST_JUMP=127.0.0.1:1
STATUS_HOST_RELAY=127.0.0.1:1
STATUS_SECRET_BOOK=a
STATUS_SECRET_JUMP=b
STATUS_SECRET_RELAY=c
STATUS_PORT_SERVE=0
END

cat >"$scratch/begin" <<'END'
set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/log
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir "$3/over"
mount -t tmpfs -o mode=755 tmpfs "$3/over"
for folder in etc var/lib usr/local/bin; do
  mkdir -p "$3/over/$folder" "$3/over/work/$folder"
  mount -t overlay overlay -o "lowerdir=/$folder,upperdir=$3/over/$folder,workdir=$3/over/work/$folder" "/$folder"
done
mkdir -p /etc/status
cp "$1" /usr/local/bin/status
cp "$2" /etc/systemd/system/status.service
install -m 600 "$3/status.env" /etc/status/status.env
: >/etc/fstab
printf '[Unit]\nRequires=basic.target\nAfter=basic.target\n' >/etc/systemd/system/only.target
# Nothing of the machine that is tried on.
for each in systemd-udevd systemd-udev-trigger systemd-modules-load systemd-sysctl systemd-random-seed systemd-update-utmp \
  systemd-tmpfiles-setup systemd-tmpfiles-setup-dev systemd-remount-fs systemd-timesyncd networking; do
  ln -sf /dev/null "/etc/systemd/system/$each.service"
done
mount --make-rshared /
exec env -i container=lxc PATH="$PATH" /usr/lib/systemd/systemd --system --unit=only.target --log-target=journal --show-status=no
END
unshare --mount --pid --fork --kill-child --cgroup --ipc --uts bash "$scratch/begin" "$program" "$unit" "$scratch" >"$scratch/log" 2>&1 &
holder=$!

within() { nsenter -t "$(pgrep -P "$holder")" -m -p -i -u -C "$@"; }
show() { within systemctl show status -p "$1" --value; }
ok() { echo "ok: $*"; }
fail() {
  echo "FAILED: $*"
  cat "$scratch/log"
  within journalctl --no-pager -o cat -u status | tail -20 || true
  exit 1
}
# Tries the command behind the seconds and the words until it succeeds.
until_ok() {
  local left=$1 words=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || fail "$words"
    sleep 1
  done
  ok "$words"
}
is_running() { [ "$(within systemctl is-system-running)" = running ]; }
has_restarted() { [ "$(show NRestarts)" = 1 ] && [ "$(show ActiveState)" = active ]; }
cannot_write() { ! within nsenter -t "$main" -m touch "$1/try" 2>/dev/null; }

until_ok 20 "a systemd of its own runs" is_running
within systemctl start status || fail "it starts"
ok "it starts, and says itself that it is ready: $(show StatusText)"
main=$(show MainPID)
for folder in / /etc /usr /home /var /var/lib /root; do cannot_write "$folder" || fail "$folder can't be written"; done
within nsenter -t "$main" -m touch /var/lib/status/try || fail "/var/lib/status can be written"
ok "it can write in its own folders alone"
within grep -q '^CapBnd:\s*0*$' "/proc/$main/status" && within grep -q '^NoNewPrivs:\s*1$' "/proc/$main/status" &&
  within grep -q '^Seccomp:\s*2$' "/proc/$main/status" || fail "it has no capability, and gets none"
ok "it has no capability, gets none, and its system calls are filtered"
[ "$(within cat "/proc/$main/cmdline" | tr '\0' ' ')" = "/usr/local/bin/status serve " ] ||
  fail "the process list shows no setting"
ok "the process list shows no setting"
within kill -STOP "$main"
until_ok 180 "one that hangs is ended by the watchdog and started again" has_restarted
within journalctl --no-pager -o cat -u status | grep -q 'Watchdog timeout' || fail "it was the watchdog"
[ -z "$(within find / -xdev -name 'core*' -newer /etc/status/status.env -size +100k 2>/dev/null)" ] || fail "no core is left"
ok "no core is left, which would hold the secrets"
# What fails in a check is that none of the services is there: 1. A setting that can't be had would be 2.
check=(systemd-run --pipe --wait --quiet -p DynamicUser=yes -p User=status -p StateDirectory=status -p LogsDirectory=status
  -p EnvironmentFile=/etc/status/status.env)
handed=(--unit=status-check -p LoadCredential=book:/etc/status/book.secret
  /usr/bin/env STATUS_SECRET_BOOK_FILE=/run/credentials/status-check.service/book)
check_ends() {
  local code=0
  within "${check[@]}" "${@:2}" /usr/local/bin/status check >>"$scratch/log" 2>&1 || code=$?
  [ "$code" = "$1" ]
}
check_ends 1 || fail "a check has the settings of the service"
ok "a check has the settings of the service"
within sh -ec 'umask 77; echo a >/etc/status/book.secret
  sed -i "s|^STATUS_SECRET_BOOK=.*|STATUS_SECRET_BOOK_FILE=/run/credentials/status.service/book|" /etc/status/status.env
  sed -i s/^#LoadCredential/LoadCredential/ /etc/systemd/system/status.service
  systemctl daemon-reload && systemctl restart status' || fail "the unit hands over a secret in a file of root's"
ok "the unit hands over a secret in a file of root's"
check_ends 2 || fail "to a check it is not handed over by the unit"
check_ends 1 "${handed[@]}" || fail "a check has such a secret as README and status.env say"
ok "a check has such a secret as README and status.env say"
within sh -c 'echo STATUS_HEALTH_LAST=ten >>/etc/status/status.env'
within systemctl restart status 2>/dev/null && fail "a setting that is wrong is told of"
sleep 7
[ "$(show ActiveState) $(show ExecMainStatus)" = "failed 2" ] || fail "a setting that is wrong is not tried again"
ok "a setting that is wrong is not tried again"
