#!/usr/bin/env bash
# Builds the foreign corpus of the offline model's evaluation: documentation of Debian packages, as plain text.
#
#   tests/offline/corpus.sh DEST          the packages of `dev` and `held`
#   tests/offline/corpus.sh DEST blind    those of the blind questions
#   tests/offline/corpus.sh DEST words    those of more questions in users' words, for fitting
#
# The packages are downloaded (apt-get download: no root, nothing is installed) and unpacked below DEST.tmp; text files
# are copied, compressed ones inflated, manual pages rendered with groff without hyphenation or adjustment. Documents
# stay under their own licences; none of them is committed. DEST/VERSIONS records what was used.
set -euo pipefail

packages=(anacron at borgbackup-doc chrony cron dnsmasq-base git-doc lighttpd-doc logrotate mosquitto openssh-client
          restic socat tmux unbound)

blind=(curl fail2ban gpg gpg-agent keepalived lvm2 mdadm memcached postfix rsync screen sudo vsftpd wget wireguard-tools)

words=(apt collectd-core cryptsetup-bin e2fsprogs haproxy nftables openvpn redis-server rsyslog smartmontools systemd tar)

dest=${1:?usage: corpus.sh DEST [blind|words]}
case ${2:-} in
  '') ;;
  blind) packages=("${blind[@]}") ;;
  words) packages=("${words[@]}") ;;
  *) echo "corpus.sh: unknown set '$2'; known: blind, words" >&2; exit 2 ;;
esac
if [[ -f $dest/VERSIONS ]]; then exit 0; fi
remedy() { echo "corpus.sh: $1" >&2; echo "  remedy: $2" >&2; exit 1; }
command -v groff >/dev/null || remedy "groff is missing" "apt-get install groff-base"
command -v dpkg-deb >/dev/null || remedy "dpkg-deb is missing" "run on Debian 12"

work=$(realpath -m "$dest").tmp
rm -rf "$work" "$dest"
mkdir -p "$work/debs" "$work/out"
chmod 755 "$work" "$work/debs"
(cd "$work/debs" && apt-get -q -o APT::Sandbox::User=root download "${packages[@]}" >"$work/log" 2>&1) ||
  remedy "the packages could not be downloaded: $(tail -n 1 "$work/log")" "apt-get update; check the network; run again"

text() {  # inflates where needed
  case $1 in *.gz) gzip -dc "$1" ;; *) cat "$1" ;; esac
}
for deb in "$work"/debs/*.deb; do
  package=$(dpkg-deb -f "$deb" Package)
  tree=$work/tree/$package
  mkdir -p "$tree" "$work/out/$package"
  dpkg-deb -x "$deb" "$tree"
  echo "$package $(dpkg-deb -f "$deb" Version)" >>"$work/versions"
  # Manual pages of the default language; links to other pages are skipped.
  { find "$tree/usr/share/man" -type f -path '*/man/man[0-9]/*' 2>/dev/null || true; } | LC_ALL=C sort | while read -r page; do
    name=$(basename "$page" .gz)
    text "$page" | groff -k -t -man -Tutf8 -rHY=0 -dAD=l -rLL=110n -P-c -P-b -P-o -P-u 2>/dev/null |
      sed -e 's/[‐−]/-/g' -e "s/[‘’]/'/g" -e 's/[“”]/"/g' >"$work/out/$package/$name.txt"
  done
  # Plain documentation: READMEs, guides, Sphinx sources. Release notes, changelogs and pictures are left out.
  find "$tree/usr/share/doc" -type f 2>/dev/null | LC_ALL=C sort |
    { grep -v -i -E '/(changelog|NEWS|RelNotes|_static|THANKS|CREDITS|AUTHORS)|\.(html|pdf|ps|png|svg|js|css|sh|pl|inv|eot|ttf|woff2?|c|h)(\.gz)?$|changes\.rst|/examples/.*\.(sh|pl)$' || true; } |
    while read -r file; do
      name=${file#"$tree"/usr/share/doc/}
      name=${name#*/}
      name=${name#html/_sources/}
      name=${name%.gz}
      [[ $name == git/* ]] && name=${name#git/}
      mkdir -p "$work/out/$package/$(dirname "$name")"
      text "$file" >"$work/out/$package/$name"
      grep -qI . "$work/out/$package/$name" || rm -f "$work/out/$package/$name"
    done
done
mv "$work/versions" "$work/out/VERSIONS"
mv "$work/out" "$dest"
rm -rf "$work"
