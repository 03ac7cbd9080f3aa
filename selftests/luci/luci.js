// SPDX-License-Identifier: GPL-2.0
//
// LuCI's runtime for a page under test: as much of it as views use, with the signatures of
// LuCI's documentation of its JavaScript API (https://openwrt.github.io/luci/jsapi/) for
// L, E, _, dom, fs, form, poll, rpc, uci, ui and view. What a page could rely on by mistake
// is as there, too:
//
// - a string that is a child of its own is HTML, one in a list of children is text; titles and
//   descriptions of options are HTML;
// - what is empty goes from the configuration, if it may (rmempty), a switch that is as its
//   default, too; a choice that is as its default is written;
// - a form is read-only if the session may not write its configuration;
// - an unknown class, datatype or format is an error.

'use strict';

// -- text ----------------------------------------------------------------------------

function _(text, context) {
	const key = (context != null ? context + '\u0001' : '') + text;

	return window.TR[key] || text;
}

String.prototype.format = function(...args) {
	const escaped = { '&': '&#38;', '"': '&#34;', "'": '&#39;', '<': '&#60;', '>': '&#62;' };

	return this.replace(/%([a-z%])/g, (all, kind) => {
		if (kind == '%')
			return '%';

		const value = args.shift();

		switch (kind) {
		case 's': return value;
		case 'd': return Math.floor(+value || 0).toFixed(0);
		case 'h': return value == null ? '' : String(value).replace(/[&"'<>]/g, (c) => escaped[c]);
		}
		throw new Error('no such format: ' + all);
	});
};

// -- nodes ---------------------------------------------------------------------------

const dom = {
	registry: new WeakMap(),

	elem: (e) => e != null && typeof(e) == 'object' && 'nodeType' in e,

	append: function(node, children) {
		if (Array.isArray(children))
			children.forEach((child) => {
				if (this.elem(child))
					node.appendChild(child);
				else if (child !== null && child !== undefined)
					node.appendChild(document.createTextNode('' + child));
			});
		else if (typeof(children) == 'function')
			this.append(node, children(node));
		else if (this.elem(children))
			node.appendChild(children);
		else if (children !== null && children !== undefined)
			node.innerHTML = '' + children;
		return node.lastChild;
	},

	content: function(node, children) {
		while (node.firstChild)
			node.removeChild(node.firstChild);
		return this.append(node, children);
	},

	attr: function(node, attributes) {
		Object.entries(attributes || {}).forEach(([ name, value ]) => {
			if (typeof(value) == 'function')
				node.addEventListener(name, value);
			else if (value !== null && value !== undefined)
				node.setAttribute(name, typeof(value) == 'object' ? JSON.stringify(value) : value);
		});
	},

	create: function(tag, attributes, children) {
		if (!(attributes instanceof Object) || Array.isArray(attributes)) {
			children = attributes;
			attributes = null;
		}

		const node = Array.isArray(tag) ? document.createDocumentFragment() : document.createElement(tag);

		this.attr(node, attributes);
		this.append(node, Array.isArray(tag) ? tag : children);
		return node;
	},

	bindClassInstance: function(node, instance) {
		this.registry.set(node, instance);
		return instance;
	},

	callClassMethod: function(node, method, ...args) {
		return this.registry.get(node)[method](...args);
	}
};

const E = (...args) => dom.create(...args);

const L = {
	env: { sessionid: '0123456789abcdef0123456789abcdef', cgi_base: '/cgi-bin' },
	bind: (fn, self, ...args) => fn.bind(self, ...args),
	isObject: (value) => value != null && typeof(value) == 'object',
	toArray: (value) => value == null ? [] : Array.isArray(value) ? value :
		typeof(value) == 'object' ? [ value ] : String(value).trim() == '' ? [] : String(value).trim().split(/\s+/),
	resolveDefault: (promise, value) => Promise.resolve(promise).catch(() => value)
};

// -- calls ---------------------------------------------------------------------------

const ERRORS = [ null, 'InvalidCommandError', 'InvalidArgumentError', 'MethodNotFoundError', 'NotFoundError',
	'NoDataError', 'PermissionError', 'TimeoutError', 'UnsupportedError' ];

function failure(name) {
	const error = new Error(name);

	error.name = name;
	return error;
}

const rpc = {
	id: 1,

	declare: function(options) {
		return (...values) => {
			const args = {};

			(options.params || []).forEach((name, i) => {
				if (values[i] !== null && values[i] !== undefined)
					args[name] = values[i];
			});
			return fetch('/ubus', {
				method: 'POST',
				body: JSON.stringify({ jsonrpc: '2.0', id: this.id++, method: 'call',
					params: [ L.env.sessionid, options.object, options.method, args ] })
			}).then((reply) => reply.json()).then((reply) => {
				const [ code, data ] = reply.result;

				if (!options.expect)
					return code ? code : data;
				// as there: who expects something gets that where the call fails
				const [ [ key, otherwise ] ] = Object.entries(options.expect);
				const found = code ? otherwise : key == '' ? data : (data || {})[key];

				return found === undefined || found === null ? otherwise : found;
			});
		};
	}
};

const call = (object, method, args) => rpc.declare({
	object: object, method: method, params: Object.keys(args)
})(...Object.values(args)).then((reply) => {
	if (typeof(reply) == 'number' && reply != 0)
		throw failure(ERRORS[reply]);
	return reply;
});

const fs = {
	read: (path) => call('file', 'read', { path: path }).then((reply) => reply.data),
	trimmed: (path) => L.resolveDefault(fs.read(path), '').then((text) => text.trim()),
	exec: (command, params, env) => call('file', 'exec', { command: command, params: params, env: env }),

	read_direct: function(path) {
		return fetch(L.env.cgi_base + '/cgi-download', {
			method: 'POST',
			body: 'sessionid=' + encodeURIComponent(L.env.sessionid) + '&path=' + encodeURIComponent(path)
		}).then((reply) => {
			if (reply.status == 200)
				return reply.text();
			throw failure({ 403: 'PermissionError', 404: 'NotFoundError' }[reply.status] || 'Error');
		});
	}
};

const poll = {
	add: (fn, interval) => {
		let ready = true;

		window.setInterval(() => {
			if (ready) {
				ready = false;
				Promise.resolve(fn()).finally(() => { ready = true; });
			}
		}, interval * 1000);
	}
};

// -- the configuration ---------------------------------------------------------------

const uci = {
	values: {},
	changes: {},

	load: function(configs) {
		return Promise.all(L.toArray(configs).map((config) =>
			this.values[config] || call('uci', 'get', { config: config }).then((reply) => {
				this.values[config] = reply.values;
			})));
	},

	get: function(config, section, option) {
		const values = (this.values[config] || {})[section];
		const changed = ((this.changes[config] || {})[section] || {});

		if (option == null)
			return values;
		return option in changed ? changed[option] === null ? undefined : changed[option] : (values || {})[option];
	},

	set: function(config, section, option, value) {
		if (value === '' || value === undefined)
			value = null;
		if (value === null && this.get(config, section, option) === undefined)
			return;
		if (Array.isArray(value) && !value.length)
			throw new Error('an empty list is not for UCI');
		this.changes[config] = this.changes[config] || {};
		this.changes[config][section] = this.changes[config][section] || {};
		this.changes[config][section][option] = value;
	},

	unset: function(config, section, option) {
		this.set(config, section, option, null);
	},

	sections: function(config, type, fn) {
		const found = Object.values(this.values[config] || {}).filter((section) =>
			!type || section['.type'] == type).map((section) => {
			const all = Object.assign({}, section, (this.changes[config] || {})[section['.name']]);

			return all;
		});

		if (fn)
			found.forEach((section) => fn(section, section['.name']));
		return found;
	},

	save: function() {
		const tasks = [];

		Object.entries(this.changes).forEach(([ config, sections ]) =>
			Object.entries(sections).forEach(([ section, options ]) => {
				const values = {}, gone = [];

				Object.entries(options).forEach(([ option, value ]) => {
					if (value === null)
						gone.push(option);
					else
						values[option] = value;
				});
				if (Object.keys(values).length)
					tasks.push(call('uci', 'set', { config: config, section: section, values: values }));
				if (gone.length)
					tasks.push(call('uci', 'delete', { config: config, section: section, options: gone }));
			}));
		return Promise.all(tasks).then(() => {
			const configs = Object.keys(this.changes);

			this.changes = {};
			configs.forEach((config) => delete this.values[config]);
			return this.load(configs);
		});
	}
};

const ui = {
	createHandlerFn: (self, fn, ...args) => (ev) => {
		const button = ev.currentTarget;

		button.classList.add('spinning');
		button.disabled = true;
		Promise.resolve((typeof(fn) == 'string' ? self[fn] : fn).call(self, ...args, ev)).finally(() => {
			button.classList.remove('spinning');
			button.disabled = false;
		});
	},

	addNotification: (title, children, ...classes) => {
		const node = E('div', { 'class': 'alert-message ' + classes.join(' ') },
			[ title ? E('h4', {}, title) : null, E('div', {}, children) ]);

		document.getElementById('maincontent').prepend(node);
		return node;
	},

	changes: {
		apply: () => call('uci', 'apply', { rollback: true })
	}
};

// -- forms ---------------------------------------------------------------------------

function valid(datatype, value) {
	const call = /^([a-z0-9]+)(?:\((.*)\))?$/.exec(datatype);
	const args = call[2] ? call[2].split(/,(?![^(]*\))/) : [];
	const whole = /^\d+$/.test(value);

	switch (call[1]) {
	case 'uinteger': return whole;
	case 'min': return +value >= +args[0];
	case 'range': return +value >= +args[0] && +value <= +args[1];
	case 'and': return args.every((one) => valid(one, value));
	case 'portrange': return value.split('-').length <= 2 &&
		value.split('-').every((port) => /^\d+$/.test(port) && +port <= 65535);
	}
	throw new Error('no such datatype: ' + datatype);
}

class Value {
	constructor(section, option, title, description) {
		Object.assign(this, { section: section, map: section.map, option: option, title: title,
			description: description, rmempty: true, optional: false, keys: [], texts: [] });
	}

	value(key, text) {
		this.keys.push(key);
		this.texts.push(text);
	}

	cbid(section_id) {
		return [ 'cbid', this.map.config, section_id, this.option ].join('.');
	}

	cfgvalue(section_id) {
		return uci.get(this.map.config, section_id, this.option);
	}

	write(section_id, value) {
		uci.set(this.map.config, section_id, this.option, value);
	}

	remove(section_id) {
		uci.unset(this.map.config, section_id, this.option);
	}

	shown(section_id) {
		const value = this.cfgvalue(section_id);

		return value !== null && value !== undefined ? value : this.default;
	}

	widget(section_id) {
		return E('input', { 'type': 'text', 'class': 'cbi-input-text', 'value': this.shown(section_id),
			'placeholder': this.placeholder });
	}

	formvalue() {
		return this.input.value;
	}

	render(section_id) {
		this.input = this.widget(section_id);
		this.input.id = 'widget.' + this.cbid(section_id);
		if (this.map.readonly)
			this.input.disabled = true;
		return E('div', { 'class': 'cbi-value', 'id': this.cbid(section_id) }, [
			E('label', { 'class': 'cbi-value-title', 'for': this.input.id }, this.title),
			E('div', { 'class': 'cbi-value-field' }, [
				this.input,
				this.description ? E('div', { 'class': 'cbi-value-description' }, this.description) : null
			])
		]);
	}

	check(value) {
		if (this.datatype && L.toArray(value).some((one) => !valid(this.datatype, one)))
			throw new TypeError('"' + this.title + '" contains an invalid input value');
	}

	parse(section_id) {
		const value = this.formvalue();

		this.check(value);
		if (value === null || value === '') {
			if (this.rmempty || this.optional)
				this.remove(section_id);
		} else if (String(value) != String(this.cfgvalue(section_id))) {
			this.write(section_id, value);
		}
	}
}

class Flag extends Value {
	constructor(...args) {
		super(...args);
		this.enabled = '1';
		this.disabled = this.default = '0';
	}

	widget(section_id) {
		const input = E('input', { 'type': 'checkbox' });

		input.checked = this.shown(section_id) == this.enabled;
		return input;
	}

	formvalue() {
		return this.input.checked ? this.enabled : this.disabled;
	}

	parse(section_id) {
		const value = this.formvalue();

		if (value == this.default && (this.rmempty || this.optional))
			this.remove(section_id);
		else
			this.write(section_id, value);
	}
}

class ListValue extends Value {
	widget(section_id) {
		const input = E('select', { 'class': 'cbi-input-select' }, this.keys.map((key, i) =>
			E('option', { 'value': key }, [ this.texts[i] ])));

		input.value = this.shown(section_id);
		return input;
	}
}

// a line of words will do
class DynamicList extends Value {
	widget(section_id) {
		return E('input', { 'type': 'text', 'class': 'cbi-input-text', 'value': L.toArray(this.shown(section_id)).join(' ') });
	}

	formvalue() {
		const words = L.toArray(this.input.value);

		return words.length ? words : null;
	}
}

class TypedSection {
	constructor(map, type, title) {
		Object.assign(this, { map: map, type: type, title: title, tabs: [] });
	}

	tab(name, title, description) {
		this.tabs.push({ name: name, title: title, description: description, children: [] });
	}

	taboption(name, Kind, ...args) {
		const option = new Kind(this, ...args);

		this.tabs.filter((tab) => tab.name == name)[0].children.push(option);
		return option;
	}

	ids() {
		return uci.sections(this.map.config, this.type).map((section) => section['.name']);
	}

	render() {
		return E('div', { 'class': 'cbi-section' }, [ E('h3', {}, this.title) ].concat(this.ids().map((id) => {
			const panes = this.tabs.map((tab) => E('div', { 'class': 'cbi-section-node', 'data-tab': tab.name },
				[ tab.description ? E('div', { 'class': 'cbi-tab-descr' }, tab.description) : null ].concat(
					tab.children.map((option) => option.render(id)))));
			const menu = E('ul', { 'class': 'cbi-tabmenu' }, this.tabs.map((tab, i) =>
				E('li', { 'data-tab': tab.name, 'click': () => show(i) }, [ E('a', {}, tab.title) ])));
			const show = (at) => panes.forEach((pane, i) => {
				pane.hidden = i != at;
				menu.children[i].className = i == at ? 'cbi-tab' : 'cbi-tab-disabled';
			});

			show(0);
			return E('div', {}, [ menu ].concat(panes));
		})));
	}

	parse() {
		this.ids().forEach((id) => this.tabs.forEach((tab) => tab.children.forEach((option) => option.parse(id))));
	}
}

class FormMap {
	constructor(config, title, description) {
		Object.assign(this, { config: config, title: title, description: description, children: [] });
	}

	section(Kind, ...args) {
		const section = new Kind(this, ...args);

		this.children.push(section);
		return section;
	}

	render() {
		return Promise.all([
			call('session', 'access', { scope: 'uci', object: this.config, function: 'write' }),
			uci.load(this.config)
		]).then(([ right ]) => {
			this.readonly = !right.access;
			this.root = this.root || E('div', { 'class': 'cbi-map' });
			dom.content(this.root, [ this.title ? E('h2', {}, this.title) : null ].concat(
				this.children.map((section) => section.render())));
			dom.bindClassInstance(this.root, this);
			return this.root;
		});
	}

	save() {
		return Promise.resolve().then(() => {
			this.children.forEach((section) => section.parse());
			return uci.save();
		}).then(() => this.render());
	}

	reset() {
		return this.render();
	}
}

const form = { Map: FormMap, TypedSection: TypedSection, Value: Value, Flag: Flag, ListValue: ListValue,
	DynamicList: DynamicList };

// -- views ---------------------------------------------------------------------------

const BaseView = {
	load: () => null,

	each: (method) => Promise.all([ ...document.querySelectorAll('#maincontent .cbi-map') ].map((map) =>
		dom.callClassMethod(map, method))),

	handleSave: function() {
		return this.each('save').catch((err) => {
			ui.addNotification(null, [ err.message ], 'danger');
			throw err;
		});
	},

	handleSaveApply: function() {
		return this.handleSave().then(() => ui.changes.apply());
	},

	handleReset: function() {
		return this.each('reset');
	},

	addFooter: function() {
		const button = (kind, title, fn) => E('button', { 'class': 'cbi-button cbi-button-' + kind,
			'click': ui.createHandlerFn(this, fn) }, [ title ]);

		return E('div', { 'class': 'cbi-page-actions' }, [
			button('apply', _('Save & Apply'), 'handleSaveApply'), ' ',
			button('save', _('Save'), 'handleSave'), ' ',
			button('reset', _('Reset'), 'handleReset')
		]);
	}
};

const view = { extend: (members) => Object.assign(Object.create(BaseView), members) };

const MODULES = { dom: dom, form: form, fs: fs, poll: poll, rpc: rpc, uci: uci, ui: ui, view: view };

// require SOURCE: its directives name what it gets as variables
function instantiate(source) {
	const names = [ ...source.matchAll(/^'require (\S+)';$/gm) ].map((found) => found[1]);

	return new Function('window', 'document', 'L', 'E', '_', ...names, source)(
		window, document, L, E, _, ...names.map((name) => {
			if (!MODULES[name])
				throw new Error('no such class: ' + name);
			return MODULES[name];
		}));
}

window.addEventListener('error', (ev) => document.body.setAttribute('data-error', ev.message));
window.addEventListener('unhandledrejection', (ev) => document.body.setAttribute('data-error', ev.reason));

fetch('/luci-static/resources/view/' + window.PAGE.view + '.js').then((reply) => reply.text()).then((source) => {
	const page = instantiate(source);

	return Promise.resolve(page.load()).then((data) => page.render(data)).then((nodes) => {
		dom.content(document.getElementById('view'), [ nodes, page.addFooter() ]);
		document.body.setAttribute('data-ready', '1');
	});
});
