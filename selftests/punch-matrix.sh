#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Two peers punch holes to each other, over UDP and TCP, whatever types of NAT their routers are: it works but for a
# symmetric NAT against a port-restricted cone or another symmetric one. There ICE takes the relay.
#
# only: applications
# packages: coturn python3-aioice

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/punch-lib.sh
. "$HERE/punch-lib.sh"

need_packages
need_module
lab_network direct
lab_servers
matrix full restricted port-restricted symmetric

finish
