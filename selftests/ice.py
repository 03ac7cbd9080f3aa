#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""ice.py - an ICE agent (aioice), one of two peers.

	ice.py ADDRESS MEET-ADDR:PORT NAME controlling|controlled

Gathers candidates by STUN at ADDRESS, port 3478; swaps them for its peer's where
"punch meet" listens; and finds a way. Only if there is none both begin anew with a relay,
by TURN at the same address: aioice takes the first pair that answers, which with a relay
among them need not be the best. Says "local TYPE ENDPOINT", "remote TYPE ENDPOINT" of the
chosen pair, and "heard TEXT" when the peer has been heard on it; or "none". Exits 0 if it
found a way, 1 if not.
"""

import argparse
import asyncio
import json
import random
import socket

import aioice

# seconds; what answers does so in less than one
TIMEOUT = 15


async def swap(place, name, text):
    address, port = place.rsplit(":", 1)
    sock = socket.socket()
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # the two ports that the system would choose from are for the agent
    sock.bind(("", random.randrange(40000, 50000)))
    await asyncio.get_running_loop().sock_connect(sock, (address, int(port)))
    reader, writer = await asyncio.open_connection(sock=sock)
    writer.write(f"{name} {text}\n".encode())
    answer = await reader.readline()
    writer.close()
    return answer.decode()


def described(candidate):
    return f"{candidate.type} {candidate.host}:{candidate.port}"


async def connected(args, relay):
    """The connection, or None if there is no way in time."""
    connection = aioice.Connection(
        ice_controlling=args.role == "controlling",
        stun_server=(args.address, 3478),
        turn_server=(args.address, 3478) if relay else None,
        turn_username="user",
        turn_password="secret",
        use_ipv6=False,
    )
    await connection.gather_candidates()
    own = {
        "user": connection.local_username,
        "password": connection.local_password,
        "candidates": [c.to_sdp() for c in connection.local_candidates],
    }
    name = args.name + ("-relay" if relay else "")
    peer = json.loads(await swap(args.place, name, json.dumps(own)))
    connection.remote_username = peer["user"]
    connection.remote_password = peer["password"]
    for candidate in peer["candidates"]:
        await connection.add_remote_candidate(aioice.Candidate.from_sdp(candidate))
    await connection.add_remote_candidate(None)
    try:
        await asyncio.wait_for(connection.connect(), TIMEOUT)
        return connection
    except (ConnectionError, asyncio.TimeoutError):
        await connection.close()
        return None


async def run(args):
    connection = await connected(args, False)
    # one may have found a way in the very moment in which the other has given up
    both = await swap(args.place, args.name + "-found", "yes" if connection else "no")
    if connection and not both.startswith("yes"):
        await connection.close()
        connection = None
    if not connection:
        connection = await connected(args, True)
    if not connection:
        print("none")
        return 1
    await connection.send(f"I am {args.role}".encode())
    heard = await asyncio.wait_for(connection.recv(), TIMEOUT)
    # there is no public name for it
    pair = connection._nominated[1]  # pylint: disable=protected-access
    print("local", described(pair.local_candidate))
    print("remote", described(pair.remote_candidate))
    print("heard", heard.decode(), flush=True)
    # the other one has to hear us, too
    await asyncio.sleep(1)
    await connection.close()
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("place")
    parser.add_argument("name")
    parser.add_argument("role", choices=["controlling", "controlled"])
    args = parser.parse_args()
    try:
        # a peer that has died is not waited for
        return asyncio.run(asyncio.wait_for(run(args), 8 * TIMEOUT))
    except (ConnectionError, asyncio.TimeoutError):
        print("none")
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
