#!/usr/bin/env bash
# A fresh Debian 12 in a folder (mmdebstrap), a clone of the last commit in it, and a command run there as root.
# Usage, as root: tests/fresh/run.sh FOLDER COMMAND...
#
# What this machine uses to reach its package mirrors (apt's configuration, certificates, pip's and npm's settings) is copied in;
# nothing else is. The mounts live in a mount namespace of their own and end with it.
set -euo pipefail
root=$1
shift
repository=$(cd "$(dirname "$0")/../.." && pwd)
if [ ! -f "$root/.made" ]; then
  sources=(/etc/apt/sources.list.d/debian.sources)
  [ -f "${sources[0]}" ] && grep -q bookworm "${sources[0]}" || sources=()
  mmdebstrap --quiet --variant=apt --include=ca-certificates,git bookworm "$root" "${sources[@]}"
  touch "$root/.made"
fi
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
# An installed Debian knows its own name; a bare folder has no such file.
printf '127.0.0.1 localhost\n::1 localhost ip6-localhost\n' >"$root/etc/hosts"
cp -r /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/"
cp -L --remove-destination /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
for file in /etc/pip.conf /root/.npmrc /usr/etc/npmrc /etc/npmrc; do
  [ ! -f "$file" ] || install -D -m 600 "$file" "$root/$file"
done
rm -rf "$root/root/beluga"
git clone --quiet "file://$repository" "$root/root/beluga"
keep=(HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8)
while IFS= read -r name; do keep+=("$name=${!name}"); done < <(compgen -e | grep -iE '^(https?_proxy|no_proxy|pip_.*|npm_config_.*)$' || true)
# shellcheck disable=SC2016
unshare --mount --propagation private bash -c '
  root=$1; shift
  mount --bind /proc "$root/proc" && mount --bind /sys "$root/sys" && mount --rbind /dev "$root/dev" || exit 1
  exec chroot "$root" "$@"' fresh "$root" /usr/bin/env -i "${keep[@]}" bash -c 'cd /root/beluga && exec "$@"' fresh "$@"
