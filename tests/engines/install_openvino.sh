#!/usr/bin/env bash
# An environment of its own for OpenVINO (300 MB), with the packages of ragft's behind it, which stays as it is.
set -euo pipefail
into=$1
behind=$2
[ -e "$into/ready" ] && exit 0
rm -rf "$into"
"${PYTHON:-python3.11}" -m venv "$into"
"$into/bin/pip" install --quiet "$(grep -o 'openvino-genai==[0-9.]*' pyproject.toml)"
site=$("$into/bin/python" -c 'import site; print(site.getsitepackages()[0])')
"$behind" -c 'import site; print(site.getsitepackages()[0])' > "$site/behind.pth"
touch "$into/ready"
