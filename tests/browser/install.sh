#!/usr/bin/env bash
# Debian's Chromium, installed where it is missing and can be.
set -euo pipefail
command -v chromium >/dev/null && exit 0
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null
else
  echo "make browser needs chromium: install it (Debian: sudo apt-get install chromium) and run again" >&2
  exit 3
fi
