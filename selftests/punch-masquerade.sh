#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Peers punch holes through routers that masquerade: between two of these it does not work where neighbours have been first
# with the same port. With the module in the place of one, or of both, it does.
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
matrix masquerade full

finish
