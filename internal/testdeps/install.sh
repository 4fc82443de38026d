#!/bin/sh
# Installs the Debian packages named as arguments where they are missing: by apt
# when root, else it says what to install.
set -eu
missing=
for package in "$@"; do
	status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
	case $status in
	*' installed') ;;
	*) missing="$missing $package" ;;
	esac
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ]; then
	echo "The tests need these packages; install them first:" >&2
	echo "  sudo apt-get install$missing" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
# A server that the package starts by itself is none of ours: the tests start
# their own. shellcheck disable=SC2086
apt-get update -q && apt-get install -q -y --no-install-recommends $missing
