# SPDX-License-Identifier: GPL-2.0
#
# For people; what is built and how stands in Kbuild.
#
#	make			build fullcone_nat.ko for the running kernel
#	make KDIR=DIR		build it for the kernel whose build tree DIR is
#	make install		into that kernel's modules (DESTDIR is honoured)
#	make uninstall		and out again
#	make check		all tests, in an emulated machine
#	make check-debug	all tests on a kernel that complains; takes hours
#	make demo		what STUN clients say, before and after
#	make lint		sparse, checkpatch, shellcheck
#	make clean

KVERSION ?= $(shell uname -r)
KDIR ?= /lib/modules/$(KVERSION)/build
MODDIR = $(DESTDIR)/lib/modules/$(KVERSION)/updates

all: module

module:
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

install: module
	install -D -m 644 fullcone_nat.ko $(MODDIR)/fullcone_nat.ko
	$(if $(DESTDIR),,depmod $(KVERSION))

uninstall:
	rm -f $(MODDIR)/fullcone_nat.ko
	$(if $(DESTDIR),,depmod $(KVERSION))

check:
	scripts/check

check-debug:
	scripts/check --debug

demo:
	scripts/demo

lint:
	scripts/lint

clean:
	$(MAKE) -C $(KDIR) M=$(CURDIR) clean
	$(MAKE) -C selftests clean

.PHONY: all module install uninstall check check-debug demo lint clean
