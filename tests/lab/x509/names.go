package main

import "fmt"

func hostCases(r *recorder) {
	root := ca(nil, "root")
	one := []*cert{root}
	server := func(names ...[]byte) *cert {
		return issue(root, name(cn("server.example")), with(ekus("server"), sans(names...)))
	}
	many := func(count int, make func(int) []byte) [][]byte {
		var list [][]byte
		for i := range count {
			list = append(list, make(i))
		}
		return list
	}
	mapped := append(make([]byte, 10), 0xff, 0xff, 10, 0, 0, 1)
	v6 := []byte{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}
	none := issue(root, name(cn("server.example")), with(ekus("server")))
	noneIP := issue(root, name(cn("10.0.0.1")), with(ekus("server")))
	certs := []struct {
		name  string
		cert  *cert
		hosts []string
	}{
		{"plain", server(dns("api.example")), []string{"api.example", "API.example", "api.example.", "api.example..", "api", "example", "x.api.example", "", "api.example:443", "10.0.0.1", "[10.0.0.1]", "::1", "[::1]", "*.example", ".", "*"}},
		{"wildcard", server(dns("*.apps.example")), []string{"a.apps.example", "A.Apps.Example.", "a.b.apps.example", "apps.example", ".apps.example", "*.apps.example", "xn--bcher-kva.apps.example", "bücher.apps.example", "a_b.apps.example", "-a.apps.example", "a-.apps.example", "10.0.0.1"}},
		{"inner wildcard", server(dns("a.*.example"), dns("b*.example"), dns("*")), []string{"a.b.example", "bc.example", "a.*.example", "b*.example", "*", "x"}},
		{"wildcard of a top level", server(dns("*.com"), dns("*.")), []string{"example.com", "com", "*.", "x."}},
		{"dot at the end", server(dns("api.example.")), []string{"api.example", "api.example."}},
		{"odd names", server(dns("under_score.example"), dns("sp ace.example"), dns("UPPER.Example"), dns(""), dns("..")), []string{"under_score.example", "sp ace.example", "SP ACE.example", "upper.example", "", "..", "no.example"}},
		{"IDN", server(dns("xn--bcher-kva.example")), []string{"xn--bcher-kva.example", "XN--BCHER-KVA.example", "bücher.example"}},
		{"addresses", server(ip(10, 0, 0, 1), ip(v6...), ip(mapped...)), []string{"10.0.0.1", "[10.0.0.1]", "fd00::1", "[fd00::1]", "FD00:0:0:0:0:0:0:1", "::ffff:10.0.0.1", "10.0.0.2", "fd00::2", "[fd00::2]", "010.0.0.1", "fe80::1%eth0", "api.example", "10.0.0.1."}},
		{"an address as a name", server(dns("10.0.0.1"), dns("fd00::1")), []string{"10.0.0.1", "fd00::1", "[fd00::1]"}},
		{"names and addresses", server(dns("kubernetes"), dns("kubernetes.default"), ip(10, 96, 0, 1)), []string{"kubernetes", "KUBERNETES.default", "kubernetes.default.svc", "10.96.0.1", "10.96.0.2", "0:0:0:0:0:ffff:a60:1"}},
		{"common name only", none, []string{"server.example", "SERVER.example.", "other.example", "10.0.0.1"}},
		{"common name an address", noneIP, []string{"10.0.0.1", "10.0.0.2"}},
		{"mail only", server(email("a@example.com")), []string{"server.example", "10.0.0.1"}},
		{"empty alternative names", server(), []string{"server.example", "10.0.0.1"}},
		{"99 names", server(many(99, func(i int) []byte { return dns(fmt.Sprintf("n%d", i)) })...), []string{"n98", "x", "1.2.3.4"}},
		{"100 names", server(many(100, func(i int) []byte { return dns(fmt.Sprintf("n%d", i)) })...), []string{"n99", "x"}},
		{"100 addresses", server(many(100, func(i int) []byte { return ip(10, 0, 0, byte(i)) })...), []string{"10.0.0.99", "10.0.1.1", "x"}},
		{"no common name", issue(root, name(), with(ekus("server"))), []string{"x", "10.0.0.1"}},
		{"version 1", issue(root, name(cn("old.example")), v1), []string{"old.example", "other.example"}},
	}
	for _, c := range certs {
		for _, host := range c.hosts {
			r.judge(situation{name: fmt.Sprintf("host %q for %s", host, c.name), presented: []*cert{c.cert}, roots: one, host: host})
		}
	}
	wildcardCN := issue(root, name(cn("*.example")), with(ekus("server")))
	r.judge(situation{name: "wildcard as a common name", presented: []*cert{wildcardCN}, roots: one, host: "a.example"})
	r.judge(situation{name: "wrong host and unknown authority", presented: []*cert{none}, roots: nil, host: "x"})
	r.judge(situation{name: "right usage, any usage, wrong host", presented: []*cert{server(dns("a"))}, roots: one, host: "b", any: true})
}

func constraintCases(r *recorder) {
	root := ca(nil, "root")
	list := func(names ...[]byte) [][]byte { return names }
	v4 := func(a, b, c, d, bits byte) []byte {
		mask := uint32(0)
		if bits > 0 {
			mask = ^uint32(0) << (32 - bits)
		}
		return ip(a, b, c, d, byte(mask>>24), byte(mask>>16), byte(mask>>8), byte(mask))
	}
	v6 := func(first byte) []byte {
		bytes := make([]byte, 32)
		bytes[0], bytes[16] = first, 0xff
		return ip(bytes...)
	}
	mappedNet := append(append(append(make([]byte, 10), 0xff, 0xff, 10, 0, 0, 0), 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255), 255, 0, 0, 0)
	fd := append([]byte{0xfd}, make([]byte, 15)...)
	mapped := append(make([]byte, 10), 0xff, 0xff, 10, 0, 0, 1)
	groups := []struct {
		name                string
		permitted, excluded [][]byte
		names               [][][]byte
	}{
		{"permitted example.com", list(dns("example.com")), nil, [][][]byte{
			list(dns("example.com")), list(dns("a.example.com")), list(dns("A.EXAMPLE.com")), list(dns("badexample.com")), list(dns("other.org")),
			list(dns("*.example.com")), list(dns("*.com")), list(dns("a.example.com"), dns("b.org")), list(ip(10, 0, 0, 1)), list(email("a@b.org")), list(dns("")),
			list(dns("a..example.com")), list(dns("example.com.")), list(dns(".example.com")), list(dns("x y.example.com"))}},
		{"permitted .example.com", list(dns(".example.com")), nil, [][][]byte{list(dns("example.com")), list(dns("a.example.com")), list(dns("*.example.com"))}},
		{"permitted nothing but the empty name", list(dns("")), nil, [][][]byte{list(dns("a.b")), list(dns(""))}},
		{"excluded example.com", nil, list(dns("example.com")), [][][]byte{
			list(dns("example.com")), list(dns("a.example.com")), list(dns("*.com")), list(dns("*.example.com")), list(dns("other.org")), list(dns("*.org")), list(dns("*"))}},
		{"excluded a.Example.com and more", nil, list(dns("z.org"), dns("a.Example.com"), dns("b.a.example.com"), dns("net"), dns("a-a.com"), dns("a.com")), [][][]byte{
			list(dns("*.example.com")), list(dns("b.a.example.com")), list(dns("x.a-a.com")), list(dns("x.a.com")), list(dns("y.z.org")), list(dns("any.net")), list(dns("ok.dev")), list(dns("*.EXAMPLE.com"))}},
		{"excluded the empty name", nil, list(dns("")), [][][]byte{list(dns("a.b")), list(ip(1, 2, 3, 4))}},
		{"permitted and excluded", list(dns("example.com"), dns("example.org")), list(dns("bad.example.com")), [][][]byte{
			list(dns("good.example.com")), list(dns("x.bad.example.com")), list(dns("example.org")), list(dns("example.net")), list(dns("*.example.com"))}},
		{"permitted 10/8", list(v4(10, 0, 0, 0, 8)), nil, [][][]byte{
			list(ip(10, 1, 2, 3)), list(ip(11, 1, 2, 3)), list(ip(9, 1, 2, 3)), list(ip(fd...)), list(ip(mapped...)), list(dns("a.b"))}},
		{"permitted many networks", list(v4(192, 168, 0, 0, 16), v4(10, 2, 0, 0, 16), v4(10, 0, 0, 0, 8), v4(172, 16, 5, 4, 12), v6(0xfd)), nil, [][][]byte{
			list(ip(10, 3, 0, 1)), list(ip(10, 2, 9, 9)), list(ip(172, 31, 0, 1)), list(ip(172, 16, 0, 1)), list(ip(192, 168, 1, 1)), list(ip(192, 169, 1, 1)), list(ip(fd...)), list(ip(mapped...))}},
		{"excluded 10/8 and fd00::/8", nil, list(v4(10, 0, 0, 0, 8), v6(0xfd)), [][][]byte{list(ip(10, 1, 2, 3)), list(ip(fd...)), list(ip(11, 0, 0, 1)), list(ip(mapped...))}},
		{"excluded a base that is no network", nil, list(v4(10, 9, 8, 7, 8), v4(0, 0, 0, 0, 0)), [][][]byte{list(ip(10, 1, 2, 3)), list(ip(10, 200, 0, 1)), list(ip(1, 1, 1, 1))}},
		{"excluded IPv4 inside IPv6", nil, list(ip(mappedNet...)), [][][]byte{list(ip(mapped...)), list(ip(10, 0, 0, 1)), list(ip(fd...))}},
		{"permitted mail", list(email("alice@Example.com"), email("corp.example"), email(".sub.example")), nil, [][][]byte{
			list(email("alice@example.com")), list(email("Alice@example.com")), list(email("alice@EXAMPLE.COM")), list(email("bob@example.com")), list(email("x@corp.example")),
			list(email("x@a.corp.example")), list(email("x@sub.example")), list(email("x@a.sub.example")), list(email("\"quoted one\"@corp.example")), list(email("\"q\\\"x\"@corp.example")),
			list(email("no-at")), list(email("")), list(email("a..b@corp.example")), list(email(".a@corp.example")), list(email("a@")), list(email("a@corp.example.")), list(email("a\\ b@corp.example")), list(email("a b@corp.example"))}},
		{"excluded mail", nil, list(email("bad@example.com"), email("evil.example")), [][][]byte{
			list(email("bad@example.com")), list(email("good@example.com")), list(email("x@evil.example")), list(email("x@Y.EVIL.example"))}},
		{"permitted URIs", list(uri("example.com"), uri(".example.org")), nil, [][][]byte{
			list(uri("https://example.com/path?q=1")), list(uri("https://a.example.com:8443/x")), list(uri("spiffe://example.org/ns/a")), list(uri("spiffe://td.example.org/ns/a")),
			list(uri("https://other.net")), list(uri("urn:uuid:1234")), list(uri("https://10.0.0.1/")), list(uri("https://EXAMPLE.com:443/")), list(uri("HTTPS://example.com")),
			list(uri("/just/a/path")), list(uri("relative")), list(uri("x://a:b:80/")), list(uri("https:///nohost")), list(uri("mailto:a@example.com"))}},
		{"excluded URIs", nil, list(uri("evil.example")), [][][]byte{
			list(uri("https://evil.example/")), list(uri("https://x.evil.example/a#frag")), list(uri("https://good.example/"))}},
	}
	for _, g := range groups {
		inter := ca(root, "constrained", with(nameConstraints(g.permitted, g.excluded)))
		top := ca(nil, "constrained", keyed(inter.key), with(nameConstraints(g.permitted, g.excluded)))
		for i, names := range g.names {
			c := leaf(inter, "alice", with(sans(names...)))
			s := situation{name: fmt.Sprintf("%s: %q", g.name, names), presented: []*cert{c, inter}, roots: []*cert{root}}
			if i%2 == 1 {
				s.presented, s.roots = []*cert{c}, []*cert{top}
			}
			r.judge(s)
		}
		r.simple(g.name+": no alternative names", []*cert{top}, leaf(inter, "alice"))
	}
	dirName := ca(root, "directory", with(nameConstraints(list(der(0xa4, name(org("x")))), nil)))
	r.simple("constraint of a kind that Go does not know", []*cert{root}, leaf(dirName, "alice"), dirName)
	softer := ca(root, "directory", with(std(constraints, false, der(0x30, der(0xa0, der(0x30, der(0xa4, name(org("x")))))))))
	r.simple("the same, not critical", []*cert{root}, leaf(softer, "alice", with(sans(dns("a.b")))), softer)
	upper := ca(root, "upper", with(nameConstraints(list(dns("example.com")), nil)))
	lower := ca(upper, "lower", with(nameConstraints(nil, list(dns("bad.example.com"))), sans(dns("ca.example.net"))))
	lowerGood := ca(upper, "lower", keyed(lower.key), with(nameConstraints(nil, list(dns("bad.example.com")))))
	r.simple("an intermediate's own name", []*cert{root}, leaf(lower, "alice", with(sans(dns("a.example.com")))), upper, lower)
	for _, host := range []string{"a.example.com", "bad.example.com", "a.example.net"} {
		r.simple("two constrained: "+host, []*cert{root}, leaf(lowerGood, "alice", with(sans(dns(host)))), upper, lowerGood)
		r.simple("two ways, one constrained: "+host, []*cert{root}, leaf(lowerGood, "alice", with(sans(dns(host)))), upper, lower, lowerGood)
	}
	leafOwn := issue(root, name(cn("alice")), with(nameConstraints(list(dns("x")), nil), sans(dns("a.example"))))
	r.simple("constraints in the leaf", []*cert{root}, leafOwn)
	usageToo := leaf(upper, "alice", with(sans(dns("x.org"))), func(t *tbs) { t.extensions = [][]byte{ekus("code"), sans(dns("x.org"))} })
	r.simple("wrong usage and wrong name", []*cert{root}, usageToo, upper)
}

func headerCases(r *recorder) {
	root := ca(nil, "front-proxy-ca")
	client := issue(root, name(cn("front-proxy-client")), with(ekus("client")))
	users, groups, extra, uids := []string{"X-Remote-User"}, []string{"X-Remote-Group"}, []string{"X-Remote-Extra-"}, []string{"X-Remote-Uid"}
	ask := func(name string, allowed []string, u, i, g, p []string, headers ...[2]string) {
		r.request(root, client, request{Name: name, AllowedNames: allowed, Usernames: u, UIDs: i, Groups: g, Prefixes: p, Headers: headers})
	}
	h := func(name, value string) [2]string { return [2]string{name, value} }
	ask("no headers", nil, users, uids, groups, extra)
	ask("user", nil, users, uids, groups, extra, h("X-Remote-User", "alice"))
	ask("allowed", []string{"other", "front-proxy-client"}, users, uids, groups, extra, h("X-Remote-User", "alice"))
	ask("not allowed", []string{"other"}, users, uids, groups, extra, h("X-Remote-User", "alice"))
	ask("case of the allowed name", []string{"Front-Proxy-Client"}, users, uids, groups, extra, h("X-Remote-User", "alice"))
	ask("empty allowed name", []string{""}, users, uids, groups, extra, h("X-Remote-User", "alice"))
	ask("empty user", nil, users, uids, groups, extra, h("X-Remote-User", ""))
	ask("empty user, then one", nil, users, uids, groups, extra, h("X-Remote-User", ""), h("X-Remote-User", "alice"))
	ask("two users", nil, users, uids, groups, extra, h("X-Remote-User", "alice"), h("X-Remote-User", "bob"))
	ask("groups", nil, users, uids, groups, extra, h("X-Remote-User", "alice"), h("X-Remote-Group", "a"), h("x-remote-group", "b,c"), h("X-Remote-Group", ""), h("X-REMOTE-GROUP", "a"))
	ask("groups without a user", nil, users, uids, groups, extra, h("X-Remote-Group", "system:masters"))
	ask("uid", nil, users, uids, groups, extra, h("X-Remote-User", "alice"), h("X-Remote-Uid", "u-1"), h("X-Remote-Uid", "u-2"))
	ask("uid not configured", nil, users, nil, groups, extra, h("X-Remote-User", "alice"), h("X-Remote-Uid", "u-1"))
	ask("several user headers", nil, []string{"X-First", "X-Remote-User"}, nil, nil, nil, h("X-Remote-User", "second"), h("X-First", "first"))
	ask("first user header empty", nil, []string{"X-First", "X-Remote-User"}, nil, nil, nil, h("X-Remote-User", "second"), h("X-First", ""), h("X-First", "hidden"))
	ask("several group headers", nil, users, nil, []string{"X-B", "X-A"}, nil, h("X-Remote-User", "alice"), h("X-A", "1"), h("X-B", "2"), h("X-A", "3"))
	ask("one group header twice", nil, users, nil, []string{"X-A", "x-a"}, nil, h("X-Remote-User", "alice"), h("X-A", "1"))
	ask("flags with blanks and case", nil, []string{" x-remote-USER "}, nil, []string{"\tx-remote-group"}, []string{" x-remote-extra- "}, h("X-Remote-User", "alice"), h("X-Remote-Group", "a"), h("X-Remote-Extra-Scope", "s"))
	ask("group authenticated", nil, users, nil, groups, nil, h("X-Remote-User", "alice"), h("X-Remote-Group", "system:authenticated"))
	ask("group unauthenticated", nil, users, nil, groups, nil, h("X-Remote-User", "alice"), h("X-Remote-Group", "system:unauthenticated"))
	ask("anonymous", nil, users, nil, groups, nil, h("X-Remote-User", "system:anonymous"), h("X-Remote-Group", "x"))
	for _, key := range []string{"Scope", "SCOPE", "scope", "example.org%2fProject", "a%zz", "a%", "a%2", "%41b", "plus+sign", "", "authentication.kubernetes.io%2Fcredential-Id", "caf%c3%a9", "%25"} {
		ask("extra "+key, nil, users, nil, nil, extra, h("X-Remote-User", "alice"), h("X-Remote-Extra-"+key, "1"), h("X-Remote-Extra-"+key, "2"), h("X-Remote-Extra-"+key, ""))
	}
	ask("several prefixes", nil, users, nil, nil, []string{"X-B-", "X-A-", "X-"}, h("X-Remote-User", "alice"), h("X-A-Key", "1"), h("X-B-Key", "2"), h("X-A-Key", "3"))
	ask("one prefix twice", nil, users, nil, nil, []string{"X-A-", "x-a-"}, h("X-Remote-User", "alice"), h("X-A-Key", "1"))
	ask("prefix alone", nil, users, nil, nil, extra, h("X-Remote-User", "alice"), h("X-Remote-Extra", "1"))
	ask("user with odd characters", nil, users, nil, nil, nil, h("X-Remote-User", " zoë, \"x\" "))
}
