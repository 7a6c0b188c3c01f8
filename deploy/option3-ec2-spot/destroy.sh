#!/usr/bin/env bash
# See ../destroy.sh --help.
cd "$(dirname "${BASH_SOURCE[0]}")" && exec ../destroy.sh "$@"
