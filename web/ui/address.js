// What the page shows stands in its address, so that it can be shared and comes
// back when the page is loaded again: #filter=…&entry=120.

const listeners = new Map();

const read = () => new URLSearchParams(location.hash.slice(1));

export const address = {
	get: (name) => read().get(name) || "",

	set(name, value) {
		const all = read();
		if (value) all.set(name, value);
		else all.delete(name);
		const text = all.toString();
		if (text !== read().toString()) history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
	},

	// on tells of an address that the person has changed, or come back to.
	on(name, fn) { listeners.set(name, fn); },
};

addEventListener("hashchange", () => { for (const [name, fn] of listeners) fn(address.get(name)); });
