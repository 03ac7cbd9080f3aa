# SPDX-License-Identifier: GPL-2.0
#
# For people; what is built and how stands in Kbuild.
#
#	make			build fullcone_nat.ko for the running kernel, and
#				xt_FULLCONENAT.ko, if that has x_tables
#	make KDIR=DIR		build it for the kernel whose build tree DIR is, and with
#				"install" put it where that kernel looks
#	make iptables		build the plugin, iptables/libxt_FULLCONENAT.so
#	make install		modules, programs, and the plugin if it is built
#				(DESTDIR and PREFIX are honoured)
#	make uninstall		and out again
#	make install-akms	the source, to where Alpine's akms builds it for each kernel
#	make uninstall-akms	and out again
#	make check		all tests, in an emulated machine
#	make check-debug	all tests on a kernel that complains; takes hours
#	make check-hostile	hostile packets by the million, abuse, weeks of use; hours
#	make check-kernels	all tests on each of Debian's kernels, 5.10 to the newest
#	make check-machines	what can depend on the machine, on five others
#	make check-configs	kernels with much switched off
#	make check-mutations	whether the tests see wrong behaviour that is planted
#	make check-packages	Debian's packages, on a fresh Debian in a folder; OpenWrt's and Alpine's
#	make check-luci		OpenWrt's web page, in a browser without a screen
#	make check-applications	the programs people want it for, between two homes
#	make applications	those, and docs/applications.md of what has come of it
#	make bench		what packets cost beside MASQUERADE; writes the page
#	make demo		what STUN clients say, before and after
#	make demo-matrix	whom a peer reaches directly, by the types of both NATs
#	make dist		fullcone_nat-VERSION.tar.gz, of what is committed
#	make lint		sparse, checkpatch, shellcheck
#	make clean

ifdef KDIR
KVERSION ?= $(shell cat $(KDIR)/include/config/kernel.release)
else
KVERSION ?= $(shell uname -r)
KDIR = /lib/modules/$(KVERSION)/build
endif
PREFIX ?= /usr/local
SBINDIR = $(DESTDIR)$(PREFIX)/sbin
MAN8DIR = $(DESTDIR)$(PREFIX)/share/man/man8
MODDIR = $(DESTDIR)/lib/modules/$(or $(KVERSION),$(error $(KDIR) does not say its kernel's release))/updates
AKMSDIR = $(DESTDIR)/usr/src/fullcone-nat-$(shell cat VERSION)

all: module

module:
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

iptables:
	$(MAKE) -C iptables

install: module
	for ko in *.ko; do install -D -m 644 $$ko $(MODDIR)/$$ko || exit; done
	$(if $(DESTDIR),,depmod $(KVERSION))
	for program in fullcone-doctor fullcone-metrics fullcone-top; do \
		install -D -m 755 scripts/$$program $(SBINDIR)/$$program || exit; \
	done
	for page in docs/man/*.8; do \
		install -D -m 644 $$page $(MAN8DIR)/$${page##*/} || exit; \
	done
	[ ! -e iptables/libxt_FULLCONENAT.so ] || $(MAKE) -C iptables install

uninstall:
	rm -f $(MODDIR)/fullcone_nat.ko $(MODDIR)/xt_FULLCONENAT.ko
	rm -f $(SBINDIR)/fullcone-doctor $(SBINDIR)/fullcone-metrics $(SBINDIR)/fullcone-top
	for page in docs/man/*.8; do rm -f $(MAN8DIR)/$${page##*/}; done
	$(MAKE) -C iptables uninstall
	$(if $(DESTDIR),,depmod $(KVERSION))

install-akms:
	install -d $(AKMSDIR)/include
	install -m 644 $(filter-out %.mod.c,$(wildcard *.c)) Kbuild VERSION alpine/AKMBUILD $(AKMSDIR)
	install -m 644 include/*.h $(AKMSDIR)/include

uninstall-akms:
	rm -rf $(AKMSDIR)

check:
	scripts/check

check-debug check-hostile check-applications: check-%:
	scripts/check --$*

check-kernels check-machines check-configs: check-%:
	scripts/check --$*

check-packages:
	scripts/alpine-test
	scripts/openwrt-test
	scripts/package-test

check-luci:
	scripts/luci-test

check-mutations:
	scripts/planted --mutations

applications:
	scripts/applications

bench:
	scripts/bench

demo:
	scripts/demo

demo-matrix:
	scripts/matrix

dist:
	name=fullcone_nat-$$(cat VERSION) && git archive --prefix=$$name/ -o $$name.tar.gz HEAD

lint:
	scripts/lint

clean-module:
	$(MAKE) -C $(KDIR) M=$(CURDIR) clean

clean: clean-module
	$(MAKE) -C selftests clean
	$(MAKE) -C iptables clean

.PHONY: all module iptables install uninstall install-akms uninstall-akms check check-debug check-hostile \
	check-applications check-kernels check-machines check-configs check-mutations check-packages \
	check-luci applications bench demo demo-matrix dist lint clean clean-module
