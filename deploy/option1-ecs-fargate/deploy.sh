#!/usr/bin/env bash
# See ../deploy.sh --help.
cd "$(dirname "${BASH_SOURCE[0]}")" && exec ../deploy.sh "$@"
