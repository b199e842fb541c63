"""wire.py FILE: records all traffic on the network of this machine, as an eavesdropper does."""

import socket
import sys

ALL = 3  # ETH_P_ALL of the kernel's if_ether.h: every protocol
PACKET = 65536  # bytes of the longest packet

with (
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(ALL)) as wire,
    open(sys.argv[1], "wb", buffering=0) as file,
):
    while True:
        file.write(wire.recv(PACKET))
