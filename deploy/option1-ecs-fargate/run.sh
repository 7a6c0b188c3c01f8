#!/usr/bin/env bash
# See ../run.sh --help.
cd "$(dirname "${BASH_SOURCE[0]}")" && exec ../run.sh "$@"
