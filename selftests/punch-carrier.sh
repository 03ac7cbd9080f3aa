#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Peers punch holes where each router has its carrier's NAT before it, which lets in those only who were spoken to: all
# cones are port-restricted then, and it works between any two of them, and not with a symmetric NAT. There ICE takes the
# relay.
#
# only: applications
# packages: coturn python3-aioice

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/punch-lib.sh
. "$HERE/punch-lib.sh"

need_packages
need_module
lab_network carrier
lab_servers
matrix full restricted port-restricted symmetric

finish
