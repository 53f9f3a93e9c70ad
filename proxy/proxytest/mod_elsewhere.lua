-- A Prosody module that sends clients elsewhere. The file elsewhere_file holds
-- what to do:
--
--	error HOST:PORT      a stream error see-other-host when a resource is bound
--	location HOST:PORT   a location in the enabled element of stream management
local filters = require "util.filters";
local st = require "util.stanza";
local path = module:get_option_string("elsewhere_file");

local function told()
	local file = io.open(path);
	if not file then return end
	local line = file:read("*l");
	file:close();
	return line:match("^(%S+) (%S+)$");
end

module:hook("resource-bind", function (event)
	local what, where = told();
	if what == "error" then
		event.session:close(st.stanza("stream:error"):text_tag("see-other-host", where, { xmlns = "urn:ietf:params:xml:ns:xmpp-streams" }));
	end
end);

local function located(stanza)
	local what, where = told();
	if what == "location" and st.is_stanza(stanza) and stanza.name == "enabled" then
		stanza.attr.location = where;
	end
	return stanza;
end

filters.add_filter_hook(function (session)
	if session.type == "c2s" or session.type == "c2s_unauthed" then
		filters.add_filter(session, "stanzas/out", located);
	end
end);
