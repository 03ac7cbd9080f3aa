// SPDX-License-Identifier: GPL-2.0
//
// Network, Full-cone NAT: what the module does just now, what is wrong, and its settings.
//
// What stands in /proc comes by cgi-io, as rpcd cuts such files off at 4096 bytes. All text
// that comes from elsewhere is put into lists of children, where LuCI makes text of it: as a
// child of its own a string is HTML.

'use strict';
'require view';
'require dom';
'require form';
'require fs';
'require poll';
'require rpc';
'require uci';
'require ui';

const STATE = '/proc/net/fullcone_nat/';
const KNOBS = '/proc/sys/net/fullcone_nat/';
const DOCTOR = '/usr/sbin/fullcone-doctor';

// rows that a browser on a telephone still draws in no time
const ROWS = 100;

// A table that is longer than this is read in each sixth poll only.
const LONG = 1000000;

const callHostHints = rpc.declare({
	object: 'luci-rpc',
	method: 'getHostHints',
	expect: { '': {} }
});

const callInterfaces = rpc.declare({
	object: 'network.interface',
	method: 'dump',
	expect: { 'interface': [] }
});

const COLUMNS = [
	[ 'proto', _('Protocol') ],
	[ 'int', _('Inside') ],
	[ 'host', _('Host') ],
	[ 'ext', _('Outside') ],
	[ 'dev', _('Device') ],
	[ 'word', _('State') ],
	[ 'sessions', _('Sessions') ],
	[ 'expires', _('Expires in') ],
	[ 'age', _('Age') ]
];

const STATES = {
	'active': _('active'),
	'draining': _('idle, sessions remain'),
	'holddown': _('gone, port kept'),
	'static': _('static')
};

const TYPES = {
	'eif': _('full cone'),
	'adf': _('restricted cone'),
	'apdf': _('port-restricted cone')
};

const FILTERS = {
	'eif': _('full cone: anybody gets in'),
	'adf': _('restricted cone: addresses that the host has spoken to'),
	'apdf': _('port-restricted cone: addresses and ports that the host has spoken to')
};

const REFUSALS = {
	'drop_no_port': _('no free port was left'),
	'drop_max_mappings': _('the router has as many mappings as it may'),
	'drop_max_total': _('the memory for mappings is used up'),
	'drop_host_max_mappings': _('a host had as many mappings as it may'),
	'drop_host_max_rate': _('a host made mappings too fast'),
	'drop_mapping_max_sessions': _('too many sessions from outside on one mapping'),
	'drop_no_memory': _('no memory was left'),
	'drop_no_address': _('the interface had no address'),
	'drop_out_conflict': _('outbound packets whose translation was taken'),
	'drop_in_conflict': _('inbound packets whose translation was taken'),
	'drop_in_filtered': _('strangers that the NAT type keeps out'),
	'drop_in_draining': _('strangers at a port that was idle for too long'),
	'drop_in_holddown': _('strangers at a port that is kept'),
	'drop_in_dying': _('strangers at a port that was just closed'),
	'drop_invalid_forwarded': _('packets of no known connection, forwarded'),
	'drop_invalid_in': _('packets of no known connection, to the router'),
	'peers_refused': _('peers that a restricted cone could not remember')
};

// fields('a=1 b=2'): both by their names
function fields(line) {
	const found = {};

	line.split(' ').forEach((word) => {
		const at = word.indexOf('=');

		if (at > 0)
			found[word.slice(0, at)] = word.slice(at + 1);
	});
	return found;
}

function linesOf(text) {
	return (text || '').split('\n').filter((line) => line != '');
}

// the address in "192.168.1.2:5000" and "[fd00::2]:5000"
function addressOf(endpoint) {
	return endpoint.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
}

// in whose order 9 comes before 10
function sortable(text) {
	return text.replace(/\d+/g, (number) => number.padStart(10, '0'));
}

function duration(seconds) {
	const h = Math.floor(seconds / 3600);
	const m = Math.floor(seconds / 60) % 60;
	const two = (number) => String(number).padStart(2, '0');

	return (h ? h + ':' + two(m) : m) + ':' + two(seconds % 60);
}

function hostNames(hints) {
	const names = {};

	Object.keys(hints || {}).forEach((mac) => {
		const host = hints[mac];

		if (host.name)
			L.toArray(host.ipaddrs).concat(L.toArray(host.ip6addrs)).forEach((address) => {
				names[address] = host.name;
			});
	});
	return names;
}

// What there is to know, in one object. Without the module there is no status.
function readState(withMappings) {
	const read = (name) => L.resolveDefault(fs.read_direct(STATE + name), null);

	return Promise.all([
		fs.read_direct(STATE + 'status').then((text) => ({ text: text }), (err) => ({ err: err })),
		read('stats'),
		withMappings ? read('mappings') : null,
		fs.trimmed(KNOBS + 'mapping'),
		fs.trimmed(KNOBS + 'filter_udp'),
		fs.trimmed(KNOBS + 'filter_tcp'),
		fs.trimmed(KNOBS + 'protocols'),
		fs.trimmed('/sys/module/fullcone_nat/parameters/version')
	]).then((data) => ({
		loaded: data[0].text != null,
		err: data[0].err,
		status: linesOf(data[0].text).map(fields),
		stats: linesOf(data[1]),
		mappings: data[2],
		mapping: data[3],
		filters: { udp: data[4], tcp: data[5] },
		protocols: data[6].split(' '),
		version: data[7]
	}));
}

function alertBox(kind, children) {
	return E('div', { 'class': 'alert-message ' + kind }, children);
}

function table(titles, rows) {
	return E('table', { 'class': 'table' }, [
		E('tr', { 'class': 'tr table-titles' }, titles.map((title) => E('th', { 'class': 'th' }, [ title ])))
	].concat(rows.map((row) => E('tr', { 'class': 'tr' }, row.map((cell, i) =>
		E('td', { 'class': 'td', 'data-title': titles[i] }, [ cell ]))))));
}

function natType(state, protocol) {
	if (state.protocols.indexOf(protocol) < 0)
		return _('not mapped, as with any other router');
	if (state.mapping == 'apdm')
		return _('symmetric: each destination sees another port');
	return FILTERS[state.filters[protocol]] || state.filters[protocol];
}

// what keeps strangers from this line of status, or nothing
function troubleOf(wan) {
	if (wan.exists == '0')
		return _('there is no such device');
	if (wan.up == '0')
		return _('is down');
	if (wan.address == 'none')
		return _('has no address yet');
	if (wan.wan && wan.private == '1')
		return _('has a private address: another NAT stands between this router and the internet');
	return null;
}

function renderWans(wans) {
	return table([ _('Device'), _('Address'), _('State'), _('Connections out'), _('Connections in'), _('Lost in the firewall') ],
		wans.map((wan) => [
			wan.wan || wan.wan6,
			wan.address || '-',
			troubleOf(wan) ? E('strong', {}, [ troubleOf(wan) ]) : _('ready'),
			wan.mapped || '-',
			wan.in || '-',
			wan.in_unconfirmed || '-'
		]));
}

function renderStatus(state) {
	const find = (name) => state.status.filter((line) => line[name] != null)[0] || {};
	const wans = state.status.filter((line) => line.wan || line.wan6);
	const counts = find('mappings');
	const nodes = [];

	if (!state.loaded)
		return [ alertBox('warning', [ state.err.name == 'PermissionError' ?
			_('You may not read the state of the module.') :
			_('The kernel module is not loaded: nothing is full cone now. Enable it below and apply, or install kmod-fullcone-nat for this kernel.') ]) ];
	if (find('active').forwarding == '0')
		nodes.push(alertBox('warning', [ _('This router does not forward packets.') ]));
	if (find('active').active == '0' && !find('active6').active6)
		nodes.push(alertBox('warning', [ _('No network is switched on: nothing is full cone now.') ]));
	if (counts.refusing && counts.refusing != 'none')
		nodes.push(alertBox('danger', [ _('Connections are being refused now:') + ' ' +
			(REFUSALS[counts.refusing] || counts.refusing) ]));
	nodes.push(E('table', { 'class': 'table', 'id': 'fullcone-summary' }, [
		[ _('Module'), _('loaded, version %s').format(state.version || '?') ],
		[ _('NAT type for UDP'), natType(state, 'udp') ],
		[ _('NAT type for TCP'), natType(state, 'tcp') ],
		[ _('Mappings'), _('%d of %d').format(counts.mappings, counts.max_mappings) ]
	].map((row) => E('tr', { 'class': 'tr' }, [
		E('td', { 'class': 'td left', 'width': '33%' }, [ row[0] ]),
		E('td', { 'class': 'td left' }, [ row[1] ])
	]))));
	if (wans.length)
		nodes.push(renderWans(wans));
	return nodes;
}

function renderRefusals(state) {
	const rows = state.stats.map((line) => line.split(' ')).filter((pair) =>
		(pair[0].indexOf('drop_') == 0 || pair[0] == 'peers_refused') && pair[1] != '0');

	if (!state.loaded)
		return [];
	if (!rows.length)
		return [ E('p', {}, [ E('em', {}, [ _('Nothing was refused.') ]) ]) ];
	return [ table([ _('Reason'), _('Times'), _('Counter') ],
		rows.map((pair) => [ REFUSALS[pair[0]] || pair[0], pair[1], E('code', {}, [ pair[0] ]) ])) ];
}

// "NAME: what is wrong", and indented below it the commands that mend it
function renderFindings(result) {
	const nodes = [];
	let pre = null;

	linesOf(result.stdout).forEach((line) => {
		if (line.charAt(0) == ' ' && nodes.length) {
			if (!pre) {
				pre = E('pre', {}, []);
				nodes[nodes.length - 1].appendChild(pre);
			}
			dom.append(pre, [ line.trim() + '\n' ]);
			return;
		}
		pre = null;
		nodes.push(alertBox(line.indexOf('note, ') == 0 ? 'notice' : 'warning',
			[ E('p', {}, [ line.replace(/^(note, )?[a-z0-9-]+: /, '') ]) ]));
	});
	if (result.code == 0)
		nodes.push(alertBox('success', [ _('Nothing is wrong.') ]));
	else if (!nodes.length)
		nodes.push(alertBox('danger', [ _('The doctor did not answer: %s').format(result.stderr || result.code) ]));
	return nodes;
}

// -- the table of mappings -----------------------------------------------------------

const MappingTable = {
	rows: [],
	names: {},
	column: 'int',
	descending: false,

	render: function() {
		this.search = E('input', {
			'type': 'search',
			'class': 'cbi-input-text',
			'placeholder': _('Search'),
			'aria-label': _('Search'),
			'input': () => this.update()
		});
		this.count = E('span', { 'style': 'margin-left:1em' }, []);
		this.head = E('tr', { 'class': 'tr table-titles' }, COLUMNS.map((column) => E('th', {
			'class': 'th',
			'data-column': column[0],
			'role': 'button',
			'tabindex': '0',
			'style': 'cursor:pointer',
			'click': () => this.sortBy(column[0]),
			'keydown': (ev) => ev.key == 'Enter' && this.sortBy(column[0])
		}, [ column[1] ])));
		this.table = E('table', { 'class': 'table', 'id': 'fullcone-mappings' }, [ this.head ]);
		this.update();
		return E('div', { 'class': 'cbi-section' }, [
			E('h3', {}, [ _('Mappings') ]),
			E('p', {}, [ this.search, this.count ]),
			this.table
		]);
	},

	setText: function(text) {
		this.rows = linesOf(text).map(fields);
		this.rows.forEach((row) => {
			row.word = STATES[row.state] || row.state;
		});
	},

	setNames: function(hints) {
		this.names = hostNames(hints);
	},

	sortBy: function(column) {
		this.descending = this.column == column && !this.descending;
		this.column = column;
		this.update();
	},

	// all words that are searched for are somewhere in the row
	matches: function(row, words) {
		const text = [ row.proto, row.int, row.host, row.ext, row.dev, row.word ].join(' ').toLowerCase();

		return words.every((word) => text.indexOf(word) >= 0);
	},

	sorted: function(rows) {
		const sign = this.descending ? -1 : 1;
		const keys = rows.map((row) => ({ key: sortable(row[this.column]), row: row }));

		keys.sort((a, b) => a.key < b.key ? -sign : a.key > b.key ? sign : 0);
		return keys.map((pair) => pair.row);
	},

	update: function() {
		const words = this.search.value.toLowerCase().split(/\s+/).filter((word) => word != '');
		let found;

		this.rows.forEach((row) => {
			row.host = this.names[addressOf(row.int)] || '';
		});
		found = this.sorted(this.rows.filter((row) => this.matches(row, words)));
		while (this.table.childElementCount > 1)
			this.table.removeChild(this.table.lastElementChild);
		found.slice(0, ROWS).forEach((row) => this.table.appendChild(this.renderRow(row)));
		if (!found.length)
			this.table.appendChild(E('tr', { 'class': 'tr placeholder' }, [
				E('td', { 'class': 'td', 'colspan': COLUMNS.length }, [
					E('em', {}, [ words.length ? _('No mapping fits the search.') : _('There are no mappings.') ])
				])
			]));
		this.updateHead();
		dom.content(this.count, [ found.length > ROWS ?
			_('The first %d of %d are shown. Search to see others.').format(ROWS, found.length) :
			_('%d of %d').format(found.length, this.rows.length) ]);
	},

	updateHead: function() {
		COLUMNS.forEach((column, i) => {
			const here = column[0] == this.column;
			const th = this.head.children[i];

			th.setAttribute('aria-sort', !here ? 'none' : this.descending ? 'descending' : 'ascending');
			dom.content(th, [ column[1] + (!here ? '' : this.descending ? ' ▼' : ' ▲') ]);
		});
	},

	renderRow: function(row) {
		return E('tr', { 'class': 'tr' }, COLUMNS.map((column) => {
			let text = row[column[0]];

			if (column[0] == 'age' || column[0] == 'expires')
				text = row.state == 'static' && column[0] == 'expires' ? '-' : duration(+text);
			return E('td', { 'class': 'td', 'data-title': column[1] }, [ text || '-' ]);
		}));
	}
};

// -- the settings --------------------------------------------------------------------

// A switch that says whether a network is in a list of UCI's.
function addNetwork(s, tab, list, network, title, description) {
	const o = s.taboption(tab, form.Flag, '_' + list + '_' + network, title.format(network), description);
	const listed = (section_id) => L.toArray(uci.get('fullcone_nat', section_id, list));

	o.cfgvalue = (section_id) => listed(section_id).indexOf(network) >= 0 ? '1' : '0';
	o.write = (section_id, value) => {
		const others = listed(section_id).filter((name) => name != network);

		if (value == o.cfgvalue(section_id))
			return;
		if (value == '1')
			others.push(network);
		uci.set('fullcone_nat', section_id, list, others.length ? others : null);
	};
	o.remove = (section_id) => o.write(section_id, '0');
}

// Those of zones that masquerade, and what is in the list already.
function networksFor(list) {
	const names = [];
	const add = (network) => {
		if (names.indexOf(network) < 0)
			names.push(network);
	};

	uci.sections('firewall', 'zone', (zone) => {
		if (zone.masq == '1')
			L.toArray(zone.network).forEach(add);
	});
	uci.sections('fullcone_nat', 'fullcone_nat', (section) => L.toArray(section[list]).forEach(add));
	return names;
}

function describe(entry) {
	if (!entry)
		return '';
	if (!entry.up)
		return _('down');
	return _('up, device %h').format(entry.l3_device || entry.device);
}

function addNetworks(s, tab, list, title, interfaces) {
	networksFor(list).forEach((network) => {
		const entry = interfaces.filter((one) => one.interface == network)[0];
		const used = uci.sections('fullcone_nat', 'fullcone_nat').some((section) =>
			L.toArray(section[list]).indexOf(network) >= 0);

		// the other half of a line has nothing of IPv4
		if (list == 'network' && !used && entry && entry.proto == 'dhcpv6')
			return;
		addNetwork(s, tab, list, network, title, describe(entry));
	});
}

function addFilter(s, option, title, description) {
	const o = s.taboption('general', form.ListValue, option, title, description);

	Object.keys(TYPES).forEach((value) => o.value(value, TYPES[value]));
	// What is shown is not written unless it is changed.
	o.cfgvalue = (section_id) => uci.get('fullcone_nat', section_id, option) || 'eif';
}

function addNumber(s, option, title, description, datatype, placeholder) {
	const o = s.taboption('limits', form.Value, option, title, description);

	o.datatype = datatype;
	o.placeholder = placeholder;
}

function settings(state, interfaces) {
	const m = new form.Map('fullcone_nat');
	const s = m.section(form.TypedSection, 'fullcone_nat', _('Settings'));
	const counts = state.status.filter((line) => line.max_mappings != null)[0] || {};
	let o;

	s.anonymous = true;
	s.tab('general', _('General'));
	s.tab('limits', _('Limits'));
	s.tab('ipv6', _('IPv6'), _('For hosts whose IPv6 addresses the provider does not route to this router. Where he gives a prefix, leave all off.'));

	o = s.taboption('general', form.Flag, 'enabled', _('Enabled'));
	o.default = '1';
	o.rmempty = false;
	addNetworks(s, 'general', 'network', _('Full cone on %h'), interfaces);
	addFilter(s, 'filter_udp', _('NAT type for UDP'));
	addFilter(s, 'filter_tcp', _('NAT type for TCP'), _('A full cone lets anybody in, a restricted cone those that the host has spoken to, a port-restricted one those from the same port.'));

	addNumber(s, 'max_mappings', _('Mappings of the router'), _('All hosts together.'),
		'and(uinteger,min(1))', counts.max_mappings);
	addNumber(s, 'host_max_mappings', _('Mappings of a host'), _('In each protocol. A host that scans the internet then takes no ports from others. 0: no limit.'),
		'uinteger', '0');
	addNumber(s, 'host_max_rate', _('New mappings of a host in a second'), _('0: no limit.'), 'uinteger', '0');
	addNumber(s, 'mapping_max_sessions', _('Sessions from outside on a mapping'), _('0: no limit.'), 'uinteger', '0');
	addNumber(s, 'udp_timeout', _('Idle time of UDP'), _('Seconds after which an unused port closes, at least 120.'),
		'range(120,604800)', '300');
	o = s.taboption('limits', form.DynamicList, 'reserved_ports', _('Ports that no host is given'),
		_('Ports and ranges, such as 50000-50999 for UPnP.'));
	o.datatype = 'portrange';

	addNetworks(s, 'ipv6', 'network6', _('Full cone for IPv6 on %h'), interfaces);
	return m;
}

return view.extend({
	load: function() {
		return Promise.all([
			readState(true),
			L.resolveDefault(callHostHints(), {}),
			L.resolveDefault(callInterfaces(), []),
			uci.load('fullcone_nat'),
			L.resolveDefault(uci.load('firewall'), null)
		]);
	},

	render: function(data) {
		const state = data[0];

		this.polls = 0;
		this.status = E('div', {}, renderStatus(state));
		this.refusals = E('div', { 'id': 'fullcone-refusals' }, renderRefusals(state));
		this.findings = E('div', { 'id': 'fullcone-findings' }, []);
		this.remember(state);
		MappingTable.setNames(data[1]);

		return settings(state, data[2]).render().then((map) => {
			poll.add(() => this.poll(), 5);
			return E('div', {}, [
				E('h2', {}, [ _('Full-cone NAT') ]),
				E('div', { 'class': 'cbi-map-descr' }, [ _('Each program behind this router has one address and port on the internet, whoever it talks to. Games, calls and file sharing then connect directly.') ]),
				E('div', { 'class': 'cbi-section' }, [
					E('h3', {}, [ _('Status') ]),
					this.status,
					E('p', {}, [
						E('button', {
							'class': 'btn cbi-button cbi-button-action',
							'id': 'fullcone-doctor',
							'click': ui.createHandlerFn(this, 'askDoctor')
						}, [ _('Look for faults') ]),
						' ',
						_('Looks at interfaces, routes and the firewall, for some seconds.')
					]),
					this.findings
				]),
				map,
				MappingTable.render(),
				E('div', { 'class': 'cbi-section' }, [
					E('h3', {}, [ _('Refused since the module was loaded') ]),
					this.refusals
				])
			]);
		});
	},

	remember: function(state) {
		if (state.mappings == null && state.loaded)
			return;
		this.length = (state.mappings || '').length;
		MappingTable.setText(state.mappings);
	},

	poll: function() {
		const all = ++this.polls % 6 == 0;

		return Promise.all([
			readState(all || this.length < LONG),
			all ? L.resolveDefault(callHostHints(), null) : null
		]).then((data) => {
			dom.content(this.status, renderStatus(data[0]));
			dom.content(this.refusals, renderRefusals(data[0]));
			this.remember(data[0]);
			if (data[1])
				MappingTable.setNames(data[1]);
			MappingTable.update();
		});
	},

	// Its language is the page's: the translation of "en" is another word that it knows.
	askDoctor: function() {
		dom.content(this.findings, []);
		return fs.exec(DOCTOR, [ '--lang', _('en', 'language that fullcone-doctor is asked in: en or zh') ])
			.then(renderFindings, (err) => renderFindings({ code: -1, stderr: err.message }))
			.then((nodes) => dom.content(this.findings, nodes));
	}
});
