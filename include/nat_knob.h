/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Knobs: what each is called, how it is read and written.
 */
#ifndef _FULLCONE_NAT_KNOB_H
#define _FULLCONE_NAT_KNOB_H

#include <linux/types.h>

struct fcn_conf;

#define FCN_TEXT_MAX	1024		/* longest value of a knob, with NUL */

/**
 * struct fcn_knob - a knob
 * @name:	as users know it
 * @parse:	reads a value into a configuration; may write to @text; 0 or a
 *		negative error
 * @print:	writes the value, without a newline; returns its length
 * @offset:	of the member in struct fcn_conf, where several knobs are read alike
 * @min:	for numbers: smallest; for lists: smallest number in it
 * @max:	for numbers: largest
 * @needed:	for lists: not to be empty
 * @words:	for one word of several: these, and @max is the last one's index;
 *		the value is the index
 */
struct fcn_knob {
	const char	*name;
	int		(*parse)(const struct fcn_knob *knob,
				 struct fcn_conf *conf, char *text);
	int		(*print)(const struct fcn_knob *knob,
				 const struct fcn_conf *conf, char *buf,
				 size_t size);
	size_t		offset;
	u32		min;
	u32		max;
	bool		needed;
	const char *const *words;
};

enum {
	FCN_KNOB_WAN,
	FCN_KNOB_WAN6,
	FCN_KNOB_ORDER,
	FCN_KNOB_EXEMPT_MARK,
	FCN_KNOB_INSIDE,
	FCN_KNOB_PROTOCOLS,
	FCN_KNOB_TCP_PROLONG,
	FCN_KNOB_MAPPING,
	FCN_KNOB_FILTER_UDP,
	FCN_KNOB_FILTER_TCP,
	FCN_KNOB_GUARD,
	FCN_KNOB_HAIRPIN,
	FCN_KNOB_UDP_TIMEOUT,
	FCN_KNOB_TCP_OPEN_TIMEOUT,
	FCN_KNOB_TCP_EST_TIMEOUT,
	FCN_KNOB_TCP_CLOSE_TIMEOUT,
	FCN_KNOB_TCP_RST_TIMEOUT,
	FCN_KNOB_ICMP_TIMEOUT,
	FCN_KNOB_UDP_SHORT_PORTS,
	FCN_KNOB_UDP_SHORT_TIMEOUT,
	FCN_KNOB_UDP_REFRESH_INBOUND,
	FCN_KNOB_PORTS,
	FCN_KNOB_RESERVED_PORTS,
	FCN_KNOB_ICMP_IDS,
	FCN_KNOB_PORT_PARITY,
	FCN_KNOB_PORT_HOLDDOWN,
	FCN_KNOB_PORT_HOLDDOWN_MAX,
	FCN_KNOB_MAX_MAPPINGS,
	FCN_KNOB_HOST_MAX_MAPPINGS,
	FCN_KNOB_HOST_MAX_RATE,
	FCN_KNOB_MAPPING_MAX_SESSIONS,
	FCN_KNOB_REJECT,
	FCN_KNOB_LOG,
	FCN_KNOBS,
};

extern const struct fcn_knob fcn_knobs[FCN_KNOBS];

#endif /* _FULLCONE_NAT_KNOB_H */
