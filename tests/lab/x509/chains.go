package main

import (
	"crypto/elliptic"
	"encoding/asn1"
	"fmt"
	"math/big"
	"strings"
)

func (r *recorder) simple(name string, roots []*cert, presented ...*cert) {
	r.judge(situation{name: name, presented: presented, roots: roots})
}

func trustCases(r *recorder) {
	root := ca(nil, "root")
	other := ca(nil, "other root")
	impostor := ca(nil, "root")
	sameIDs := ca(nil, "root", withKeyID(root.keyID))
	inter := ca(root, "intermediate")
	deep := ca(inter, "deep intermediate")
	l, li, ld := leaf(root, "alice"), leaf(inter, "alice"), leaf(deep, "alice")
	one := []*cert{root}
	r.simple("leaf of a root", one, l)
	r.simple("no roots", nil, l)
	r.simple("another root", []*cert{other}, l)
	r.simple("same name, other key, other key id", []*cert{impostor}, l)
	r.simple("same name, other key, same key id", []*cert{sameIDs}, l)
	r.simple("impostor before the root", []*cert{sameIDs, impostor, root}, l)
	r.simple("impostor after the root", []*cert{root, impostor}, l)
	r.simple("two impostors", []*cert{impostor, sameIDs}, l)
	r.simple("intermediate presented", one, li, inter)
	r.simple("intermediate missing", one, li)
	r.simple("intermediate as a root", []*cert{inter}, li)
	r.simple("intermediate as a root and presented", []*cert{inter, root}, li, inter)
	r.simple("two intermediates", one, ld, deep, inter)
	r.simple("two intermediates, wrong order", one, ld, inter, deep)
	r.simple("two intermediates and junk", one, ld, other, inter, l, deep, root)
	r.simple("one of two intermediates missing", one, ld, deep)
	r.simple("the upper one only", one, ld, inter)
	r.simple("presented twice", one, ld, deep, deep, inter, inter)
	r.simple("root presented too", one, li, inter, root)
	r.simple("root presented, not trusted", []*cert{other}, li, inter, root)
	r.simple("the root itself as a leaf", one, root)
	r.simple("the intermediate as a leaf", one, inter)
	r.simple("leaf itself among the roots", []*cert{li}, li)
	r.simple("leaf itself among the roots with its chain", []*cert{li, root}, li, inter)
	self := issue(nil, name(cn("self")), with(ekus("client+server")))
	r.simple("self-signed leaf without CA", []*cert{self}, self)
	r.simple("self-signed leaf, not trusted", one, self)
	r.simple("self-signed leaf presented twice", one, self, self)
	selfCA := ca(nil, "self", with(ekus("client+server"), sans(dns("self.example"))))
	r.judge(situation{name: "self-signed CA as server", presented: []*cert{selfCA}, roots: []*cert{selfCA}, host: "self.example"})

	// Cross-signing.
	k := p256()
	crossA, crossB := ca(nil, "cross", keyed(k)), ca(root, "cross", keyed(k))
	lc := leaf(crossA, "alice")
	r.simple("cross-signed, both roots", []*cert{crossA, root}, lc, crossB)
	r.simple("cross-signed, the old root only", one, lc, crossB)
	r.simple("cross-signed, the new root only", []*cert{crossA}, lc, crossB)
	r.simple("cross-signed, neither", []*cert{other}, lc, crossB, crossA)
	ka, kb := p256(), p256()
	a, b := ca(nil, "a", keyed(ka)), ca(nil, "b", keyed(kb))
	ab, ba := ca(b, "a", keyed(ka)), ca(a, "b", keyed(kb))
	la := leaf(a, "alice")
	r.simple("mutual cross-signing", []*cert{a, b}, la, ab, ba)
	r.simple("mutual cross-signing, no root", []*cert{other}, la, ab, ba)
	r.simple("mutual cross-signing, far root", []*cert{b}, la, ab, ba)
	twin := ca(nil, "twin", keyed(k), with(sans(dns("twin.example"))))
	twinOf := ca(twin, "twin", keyed(k))
	twinLeaf := leaf(twinOf, "alice")
	r.simple("same name and key, other alternative names", []*cert{twin}, twinLeaf, twinOf)
	renewed := ca(nil, "root", keyed(root.key), valid(utc("260301000000Z"), utc("280101000000Z")))
	r.simple("renewed root", []*cert{renewed}, l)
	r.simple("old and renewed root", []*cert{root, renewed}, l)
	r.simple("old root expired, renewed", []*cert{ca(nil, "root", keyed(root.key), expired), renewed}, l)
	r.simple("renewed first, old root expired", []*cert{renewed, ca(nil, "root", keyed(root.key), expired)}, l)
	r.simple("old root expired, impostor", []*cert{ca(nil, "root", keyed(root.key), expired), impostor}, l)

	// Key ids.
	bare := ca(nil, "bare", noIDs)
	r.simple("no key ids", []*cert{bare}, leaf(bare, "alice", noIDs))
	r.simple("authority key id only", []*cert{bare}, leaf(bare, "alice", withParent([]byte{1, 2, 3})))
	r.simple("no authority key id", one, leaf(root, "alice", noIDs))
	r.simple("wrong authority key id", one, leaf(root, "alice", withParent([]byte{9, 9})))
	r.simple("order by key ids", []*cert{impostor, ca(nil, "root", noIDs), sameIDs}, l)
	r.simple("order by key ids, leaf without", []*cert{impostor, ca(nil, "root", noIDs), sameIDs}, leaf(root, "alice", noIDs))

	// Names of the candidate in the hint.
	for _, subject := range [][]byte{
		name(), name(org("Example Org")), name(org("First"), org("Second")), name(cn("first"), cn("second")),
		name(cn("with \"quotes\" and \\")), name(cn("tab\tnewline\n")), name(cn("zażółć 日本")), name(attr(oidCN, t61String, "caf\xe9")),
		name(cn("soft\u00adhyphen \u200b")), name(attr(oidCN, bmpString, "\x00B\x00M\x00P\x00\x00"), org("x")),
	} {
		named, twin := issue(nil, subject, with(basicCA(-1))), issue(nil, subject, with(basicCA(-1)))
		r.simple(fmt.Sprintf("hint names %q", subject), []*cert{twin}, leaf(named, "alice"))
	}

	// What a parent needs to sign.
	for _, kind := range []struct {
		name    string
		changes []change
	}{
		{"no basic constraints", nil},
		{"CA false", []change{with(std(basic, true, der(0x30)))}},
		{"CA false, written out", []change{with(std(basic, false, der(0x30, []byte{1, 1, 0})))}},
		{"CA not critical", []change{with(std(basic, false, der(0x30, []byte{1, 1, 0xff})))}},
		{"key usage without certSign", []change{with(basicCA(-1), std(usage, true, []byte{3, 2, 5, 0xa0}))}},
		{"key usage empty", []change{with(basicCA(-1), std(usage, true, []byte{3, 1, 0}))}},
		{"key usage decipherOnly", []change{with(basicCA(-1), std(usage, true, []byte{3, 3, 7, 0, 0x80}))}},
		{"version 1", []change{v1}},
		{"version 2", []change{v2}},
		{"unknown critical extension", []change{with(basicCA(-1), ext(oid(1, 2, 3, 4), true, null))}},
		{"unknown extension", []change{with(basicCA(-1), ext(oid(1, 2, 3, 4), false, null))}},
	} {
		odd := issue(nil, name(cn("odd")), kind.changes...)
		r.simple("root: "+kind.name, []*cert{odd}, leaf(odd, "alice"))
		between := issue(root, name(cn("odd")), kind.changes...)
		r.simple("intermediate: "+kind.name, one, leaf(between, "alice"), between)
		r.simple("leaf: "+kind.name, one, issue(root, name(cn("alice")), kind.changes...))
		r.simple("root and leaf: "+kind.name, []*cert{odd}, odd)
	}
	r.simple("leaf: critical alternative names of an unknown kind", one, leaf(root, "alice", with(std(san, true, der(0x30, der(0x88, []byte{42}))))))
	r.simple("leaf: alternative names of an unknown kind", one, leaf(root, "alice", with(sans(der(0x88, []byte{42})))))
	r.simple("leaf: critical policies and usages", one, leaf(root, "alice", with(std(policies, true, der(0x30, der(0x30, oid(1, 2, 3)))), std(usage, true, []byte{3, 2, 7, 0x80}))))

	// At most 100 signatures are checked. Few certificates make many paths: each of four twins may have signed each
	// of the four below it.
	layers := []*cert{}
	below := []*cert{ca(nil, "gone")}
	for depth := range 4 {
		shared := p256()
		above := below[0]
		below = nil
		for twin := range 4 {
			c := ca(above, fmt.Sprintf("layer %d", depth), keyed(shared), with(sans(dns(fmt.Sprintf("twin%d.example", twin)))))
			below = append(below, c)
			layers = append(layers, c)
		}
	}
	wide := append([]*cert{leaf(below[0], "alice")}, layers...)
	r.simple("signature limit", one, wide...)
	top := ca(nil, "layer 0", keyed(layers[0].key))
	r.simple("signature limit, but chains were found", []*cert{top}, wide...)
}

func dateCases(r *recorder) {
	root, inter := ca(nil, "root"), (*cert)(nil)
	inter = ca(root, "intermediate")
	other := ca(nil, "other")
	for _, when := range []struct {
		name   string
		change change
	}{{"expired", expired}, {"not yet valid", future}} {
		oldRoot := ca(nil, "root", keyed(root.key), when.change)
		oldInter := ca(root, "intermediate", keyed(inter.key), when.change)
		r.simple("leaf "+when.name, []*cert{root}, leaf(root, "alice", when.change))
		r.simple("leaf "+when.name+", unknown authority", []*cert{other}, leaf(root, "alice", when.change))
		r.simple("root "+when.name, []*cert{oldRoot}, leaf(root, "alice"))
		r.simple("root "+when.name+", and itself the leaf", []*cert{oldRoot}, oldRoot)
		r.simple("intermediate "+when.name, []*cert{root}, leaf(inter, "alice"), oldInter)
		r.simple("intermediate "+when.name+", and a good one after", []*cert{root}, leaf(inter, "alice"), oldInter, inter)
		r.simple("intermediate "+when.name+", and a good one before", []*cert{root}, leaf(inter, "alice"), inter, oldInter)
		r.simple("root above an intermediate "+when.name, []*cert{oldRoot}, leaf(inter, "alice"), inter)
		r.simple("intermediate "+when.name+", and an impostor after", []*cert{root}, leaf(inter, "alice"), oldInter, ca(root, "intermediate"))
		r.simple("intermediate "+when.name+", unknown authority", []*cert{other}, leaf(inter, "alice"), oldInter)
		r.simple("wrong usage and leaf "+when.name, []*cert{root}, issue(root, name(cn("alice")), with(ekus("code")), when.change))
		r.judge(situation{name: "wrong host and leaf " + when.name, presented: []*cert{leaf(root, "alice", when.change)}, roots: []*cert{root}, host: "a.example"})
	}
	exact := leaf(root, "alice", valid(utc("260501000000Z"), utc("260601120000Z")))
	begins := leaf(root, "alice", valid(utc("260601120000Z"), utc("260701120000Z")))
	for _, at := range []string{"2026-06-01T11:59:59Z", "2026-06-01T11:59:59.999Z", "2026-06-01T12:00:00Z", "2026-06-01T12:00:00.001Z", "2026-06-01T12:00:01Z"} {
		r.judge(situation{name: "ends at noon", presented: []*cert{exact}, roots: []*cert{root}, time: at})
		r.judge(situation{name: "begins at noon", presented: []*cert{begins}, roots: []*cert{root}, time: at})
	}
	for _, dates := range [][2][]byte{
		{utc("260101000000Z"), generalized("99991231235959Z")},
		{generalized("00000101000000Z"), generalized("19700101000000Z")},
		{utc("500101000000Z"), utc("491231235959Z")},
		{utc("2401010000Z"), utc("2501010000Z")},
		{utc("240101000000+0200"), utc("250101000000-0330")},
		{utc("300101000000+0200"), utc("310101000000-0330")},
		{generalized("20240101000000+0530"), generalized("20250101000000+0530")},
		{utc("680101000000Z"), utc("690101000000Z")},
		{utc("240229000000Z"), utc("240229235959Z")},
		{utc("270101000000Z"), utc("260101000000Z")},
		{generalized("20261231235959Z"), generalized("20271231235959Z")},
	} {
		r.simple(fmt.Sprintf("dates %q", dates), []*cert{root}, leaf(root, "alice", valid(dates[0], dates[1])))
	}
}

func usageCases(r *recorder) {
	for _, top := range []string{"", "client", "server", "any"} {
		root := ca(nil, "root", with(ekus(top)))
		for _, middle := range []string{"", "client", "server", "code", "client+any"} {
			inter := ca(root, "intermediate", with(ekus(middle)))
			for _, bottom := range []string{"", "client", "server", "any", "code", "own", "server+own"} {
				if top != "" && (middle == "client+any" || middle != "" && (bottom == "own" || bottom == "code")) {
					continue
				}
				r.judge(situation{
					name:      fmt.Sprintf("usages %q %q %q", top, middle, bottom),
					presented: []*cert{issue(inter, name(cn("alice")), with(ekus(bottom))), inter}, roots: []*cert{root}, any: bottom == "code" || bottom == "own",
				})
			}
		}
	}
	root := ca(nil, "root")
	r.simple("usages critical", []*cert{root}, issue(root, name(cn("alice")), with(std(eku, true, der(0x30, usages["client"])))))
	r.simple("usages empty", []*cert{root}, issue(root, name(cn("alice")), with(std(eku, true, der(0x30)))))
	// Two ways up: one allows clients, one servers.
	k := p256()
	forClients, forServers := ca(root, "both", keyed(k), with(ekus("client"))), ca(root, "both", keyed(k), with(ekus("server")))
	r.simple("one way for clients, one for servers", []*cert{root}, leaf(forClients, "alice"), forServers, forClients)
	r.simple("leaf in the roots with the wrong usage", []*cert{issue(root, name(cn("alice")), with(ekus("code")))}, issue(root, name(cn("alice")), with(ekus("code"))))
	trusted := issue(root, name(cn("alice")), with(ekus("server")))
	r.simple("leaf in the roots, for servers", []*cert{trusted}, trusted)
}

func pathCases(r *recorder) {
	for limit := range 3 {
		root := ca(nil, "root", func(t *tbs) { t.extensions = [][]byte{basicCA(limit), certSign} })
		a := ca(root, "a")
		b := ca(a, "b")
		c := ca(b, "c")
		name := fmt.Sprintf("root with path length %d, ", limit)
		r.simple(name+"0 intermediates", []*cert{root}, leaf(root, "alice"))
		r.simple(name+"1 intermediate", []*cert{root}, leaf(a, "alice"), a)
		r.simple(name+"2 intermediates", []*cert{root}, leaf(b, "alice"), a, b)
		r.simple(name+"3 intermediates", []*cert{root}, leaf(c, "alice"), a, b, c)
		free := ca(nil, "free")
		limited := ca(free, "limited", func(t *tbs) { t.extensions = [][]byte{basicCA(limit), certSign} })
		below := ca(limited, "below")
		deeper := ca(below, "deeper")
		name = fmt.Sprintf("intermediate with path length %d, ", limit)
		r.simple(name+"nothing below", []*cert{free}, leaf(limited, "alice"), limited)
		r.simple(name+"one below", []*cert{free}, leaf(below, "alice"), below, limited)
		r.simple(name+"two below", []*cert{free}, leaf(deeper, "alice"), below, limited, deeper)
	}
	root := ca(nil, "root")
	self := ca(root, "self", func(t *tbs) { t.extensions = [][]byte{basicCA(0), certSign} })
	issued := ca(self, "self", with(sans(dns("x.example"))))
	r.simple("self-issued counts", []*cert{root}, leaf(issued, "alice"), self, issued)
	r.simple("leaf with a path length and no CA", []*cert{root}, leaf(root, "alice", with(std(basic, true, der(0x30, der(2, []byte{0}))))))
	long := root
	var chain []*cert
	for i := range 12 {
		long = ca(long, fmt.Sprintf("level %d", i))
		chain = append(chain, long)
	}
	r.simple("twelve intermediates", []*cert{root}, append([]*cert{leaf(long, "alice")}, chain...)...)
}

func signatureCases(r *recorder) {
	rsa2048, rsa1024 := rsaKey(2048), rsaKey(1024)
	ed := edKey()
	keys := []struct {
		name string
		key  *key
		algs map[string]algorithm
		list []string
	}{
		{"RSA-2048", rsa2048, map[string]algorithm{"MD5": rsaMD5, "SHA1": rsaSHA1, "SHA256": rsaSHA256, "SHA384": rsaSHA384, "SHA512": rsaSHA512,
			"PSS256": pssSHA256, "PSS384": pssSHA384, "PSS512": pssSHA512}, []string{"MD5", "SHA1", "SHA256", "SHA384", "SHA512", "PSS256", "PSS384", "PSS512"}},
		{"RSA-1024", rsa1024, map[string]algorithm{"SHA256": rsaSHA256, "SHA512": rsaSHA512, "SHA384": rsaSHA384, "PSS256": pssSHA256}, []string{"SHA256", "SHA512", "SHA384", "PSS256"}},
		{"P-256", p256(), map[string]algorithm{"SHA1": ecdsaSHA1, "SHA256": ecdsaSHA256, "SHA384": ecdsaSHA384, "SHA512": ecdsaSHA512}, []string{"SHA1", "SHA256", "SHA384", "SHA512"}},
		{"P-384", ec(elliptic.P384()), map[string]algorithm{"SHA256": ecdsaSHA256, "SHA384": ecdsaSHA384, "SHA512": ecdsaSHA512}, []string{"SHA256", "SHA384", "SHA512"}},
		{"P-521", ec(elliptic.P521()), map[string]algorithm{"SHA256": ecdsaSHA256, "SHA384": ecdsaSHA384, "SHA512": ecdsaSHA512}, []string{"SHA256", "SHA384", "SHA512"}},
		{"P-224", ec(elliptic.P224()), map[string]algorithm{"SHA256": ecdsaSHA256}, []string{"SHA256"}},
		{"Ed25519", ed, map[string]algorithm{"pure": ed25519Alg}, []string{"pure"}},
	}
	broken := func(t *tbs) {
		t.signature = func(s []byte) []byte {
			changed := append([]byte{}, s...)
			changed[len(changed)-1] ^= 1
			return changed
		}
	}
	for _, k := range keys {
		root := ca(nil, "root", keyed(k.key))
		for _, alg := range k.list {
			r.simple(fmt.Sprintf("signed by %s with %s", k.name, alg), []*cert{root}, leaf(root, "alice", signed(k.algs[alg])))
			r.simple(fmt.Sprintf("signed by %s with %s, broken", k.name, alg), []*cert{root}, leaf(root, "alice", signed(k.algs[alg]), broken))
		}
		r.simple("leaf with a key "+k.name, []*cert{ca(nil, "plain", keyed(ed), signed(ed25519Alg))},
			leaf(ca(nil, "plain", keyed(ed)), "alice", keyed(k.key)))
	}
	root := ca(nil, "root", keyed(rsa2048))
	for _, odd := range []struct {
		name string
		alg  algorithm
	}{
		{"RSA with the ISO name of SHA-1", algorithm{der(0x30, oid(1, 3, 14, 3, 2, 29), null), rsaSHA1.hash, false}},
		{"RSA without NULL", algorithm{der(0x30, oid(1, 2, 840, 113549, 1, 1, 11)), rsaSHA256.hash, false}},
		{"MD2", algorithm{der(0x30, oid(1, 2, 840, 113549, 1, 1, 2), null), rsaSHA256.hash, false}},
		{"an unknown algorithm", algorithm{der(0x30, oid(1, 2, 3, 4)), rsaSHA256.hash, false}},
		{"DSA-SHA1", algorithm{der(0x30, oid(1, 2, 840, 10040, 4, 3)), rsaSHA256.hash, false}},
		{"DSA-SHA256", algorithm{der(0x30, oid(2, 16, 840, 1, 101, 3, 4, 3, 2)), rsaSHA256.hash, false}},
		{"ECDSA said, RSA done", algorithm{ecdsaSHA256.identifier, rsaSHA256.hash, false}},
		{"Ed25519 said, RSA done", algorithm{ed25519Alg.identifier, rsaSHA256.hash, false}},
		{"Ed25519 with parameters", algorithm{der(0x30, oid(1, 3, 101, 112), null), rsaSHA256.hash, false}},
		{"PSS without NULL", pssWith(rsaSHA256.hash, 1, 1, 32, nil)},
		{"PSS with two hashes", pssWith(rsaSHA256.hash, 1, 2, 32, null)},
		{"PSS with a short salt", pssWith(rsaSHA256.hash, 1, 1, 20, null)},
		{"PSS without parameters", algorithm{der(0x30, oid(1, 2, 840, 113549, 1, 1, 10)), rsaSHA256.hash, true}},
		{"PSS with a trailer", algorithm{der(0x30, oid(1, 2, 840, 113549, 1, 1, 10), trailer(1)), rsaSHA256.hash, true}},
		{"PSS with a wrong trailer", algorithm{der(0x30, oid(1, 2, 840, 113549, 1, 1, 10), trailer(2)), rsaSHA256.hash, true}},
	} {
		r.simple("signed by RSA, "+odd.name, []*cert{root}, leaf(root, "alice", signed(odd.alg)))
	}
	for _, k := range keys[2:] {
		top := ca(nil, "root", keyed(k.key))
		r.simple("RSA said, done by "+k.name, []*cert{top}, leaf(top, "alice", signed(k.key.usual()), func(t *tbs) {
			t.algorithm.identifier = rsaSHA256.identifier
		}))
	}
	// Keys without a signer: the key is judged before the signature.
	modulus := func(bytes int, last byte) []byte {
		n := make([]byte, bytes)
		for i := range n {
			n[i] = byte(i*37 + 11)
		}
		n[0], n[bytes-1] = 0xc1, last
		return must(asn1.Marshal(new(big.Int).SetBytes(n)))
	}
	rsaSPKI := func(n, e []byte) *key {
		return &key{nil, der(0x30, der(0x30, oid(1, 2, 840, 113549, 1, 1, 1), null), der(3, []byte{0}, der(0x30, n, e)))}
	}
	e := []byte{2, 3, 1, 0, 1}
	for _, odd := range []struct {
		name string
		key  *key
	}{
		{"RSA-512", rsaSPKI(modulus(64, 1), e)},
		{"RSA-1016", rsaSPKI(modulus(127, 1), e)},
		{"RSA-1024 even", rsaSPKI(modulus(128, 2), e)},
		{"RSA exponent 1", rsaSPKI(modulus(256, 1), []byte{2, 1, 1})},
		{"RSA exponent 4", rsaSPKI(modulus(256, 1), []byte{2, 1, 4})},
		{"RSA exponent 3", rsaSPKI(modulus(256, 1), []byte{2, 1, 3})},
		{"RSA huge exponent", rsaSPKI(modulus(256, 1), []byte{2, 5, 1, 0, 0, 0, 1})},
		{"DSA", &key{nil, der(0x30, der(0x30, oid(1, 2, 840, 10040, 4, 1), der(0x30, []byte{2, 1, 7, 2, 1, 3, 2, 1, 2})), der(3, []byte{0, 2, 1, 5}))}},
		{"X25519", &key{nil, der(0x30, der(0x30, oid(1, 3, 101, 110)), der(3, []byte{0}, make([]byte, 32)))}},
		{"unknown", &key{nil, der(0x30, der(0x30, oid(1, 2, 3, 4, 5)), der(3, []byte{0, 1, 2, 3}))}},
	} {
		top := ca(nil, "root", keyed(odd.key), signed(rsaSHA256))
		for _, alg := range []algorithm{rsaSHA256, rsaSHA1, ecdsaSHA256} {
			r.simple(fmt.Sprintf("root with a key %s", odd.name), []*cert{top}, leaf(top, "alice", signed(alg)))
		}
		r.simple("leaf with a key "+odd.name, []*cert{root}, leaf(root, "alice", keyed(odd.key)))
	}
	// P-224 where it does not decide.
	p224 := ca(nil, "p224", keyed(keys[5].key))
	r.simple("P-224 root, leaf expired", []*cert{p224}, leaf(p224, "alice", expired))
	r.simple("P-224 root with the leaf among the roots", []*cert{p224}, p224)
	good := ca(nil, "p224", keyed(p256()))
	r.simple("P-224 root beside a good one", []*cert{p224, good}, leaf(good, "alice"))
	strong := rsaKey(3072)
	bigRoot := ca(nil, "root", keyed(strong))
	r.simple("RSA-3072", []*cert{bigRoot}, leaf(bigRoot, "alice"))
	r.simple("signature of another length", []*cert{bigRoot}, leaf(bigRoot, "alice", func(t *tbs) {
		t.signature = func(s []byte) []byte { return s[:len(s)-1] }
	}))
	r.simple("signature with spare bits", []*cert{bigRoot}, leaf(bigRoot, "alice", func(t *tbs) {
		t.bits = func(s []byte) []byte {
			wide := new(big.Int).SetBytes(s)
			wide.Lsh(wide, 3)
			return der(3, []byte{3}, wide.FillBytes(make([]byte, len(s)+1)))
		}
	}))
}

// trailer is what PSS-SHA256 says with a trailer field written out.
func trailer(value byte) []byte {
	hash := der(0x30, oid(2, 16, 840, 1, 101, 3, 4, 2, 1), null)
	return der(0x30, der(0xa0, hash), der(0xa1, der(0x30, oid(1, 2, 840, 113549, 1, 1, 8), hash)),
		der(0xa2, []byte{2, 1, 32}), der(0xa3, []byte{2, 1, value}))
}

func policyCases(r *recorder) {
	p := func(lists ...[]byte) []byte {
		var all []byte
		for _, id := range lists {
			all = append(all, der(0x30, id)...)
		}
		return std(policies, false, der(0x30, all))
	}
	anyPolicy, p1, p2 := oid(2, 5, 29, 32, 0), oid(1, 2, 3, 1), oid(1, 2, 3, 2)
	demand := func(skip byte) []byte { return std(explicit, true, der(0x30, []byte{0x80, 1, skip})) }
	noAny := func(skip byte) []byte { return std(inhibit, true, []byte{2, 1, skip}) }
	root := ca(nil, "root")
	sets := map[string][]byte{"none": nil, "1": p(p1), "2": p(p2), "any": p(anyPolicy), "1+2": p(p1, p2)}
	names := []string{"none", "1", "2", "any", "1+2"}
	for _, middle := range names {
		for _, bottom := range names {
			for _, skip := range []byte{0, 1, 2} {
				if skip == 2 && middle != "1" {
					continue
				}
				inter := ca(root, "intermediate", with(sets[middle], demand(skip)))
				r.simple(fmt.Sprintf("policies %s %s, explicit after %d", middle, bottom, skip), []*cert{root}, leaf(inter, "alice", with(sets[bottom])), inter)
			}
		}
	}
	inter := ca(root, "intermediate", with(p(p1), demand(0), noAny(0)))
	r.simple("any policy inhibited", []*cert{root}, leaf(inter, "alice", with(p(anyPolicy))), inter)
	r.simple("leaf demands policies that nobody has", []*cert{root}, leaf(ca(root, "x"), "alice", with(demand(0))))
	plain := ca(root, "intermediate")
	r.simple("leaf demands policies and the intermediate has none", []*cert{root}, leaf(plain, "alice", with(p(p1), demand(0))), plain)
	r.simple("leaf demands policies later", []*cert{root}, leaf(plain, "alice", with(demand(1))), plain)
	mapped := ca(root, "intermediate", with(p(p1), std(mappings, true, der(0x30, der(0x30, p1, p2)))))
	r.simple("policies mapped, nothing demanded", []*cert{root}, leaf(mapped, "alice", with(p(p2))), mapped)
	wrong := ca(root, "intermediate", with(p(p1), demand(0), ekus("server")))
	wrongToo := ca(root, "intermediate", keyed(wrong.key), with(ekus("server")))
	r.simple("wrong policies on one way, wrong usage on another", []*cert{root}, leaf(wrong, "alice"), wrong, wrongToo)
}

func userCases(r *recorder) {
	root := ca(nil, "root")
	with1 := with(ekus("client"))
	for i, subject := range [][]byte{
		name(cn("alice")), name(cn("bob")), name(cn("alice"), cn("carol")), name(cn("alice"), cn("")), name(org("dev")), name(cn("")), name(),
		name(org("b"), org("a"), org("b"), cn("alice")), name(org(""), cn("alice")), name(org("system:masters"), cn("kubernetes-admin")),
		name(cn("system:anonymous")), name(org("system:unauthenticated"), cn("alice")), name(org("system:authenticated"), org("x"), cn("alice")),
		name(uid("u-1"), cn("alice")), name(uid("u-1"), uid("u-2"), cn("alice")), name(uid(""), cn("alice")), name(uid("u 1"), uid(""), cn("alice")),
		name(uid("u-1")), name(attr(oidUID, printableString, "123"), cn("alice")), name(attr(oid(0, 9, 2342, 19200300, 100, 1, 1), utf8String, "ldap"), cn("alice")),
		name(der(0x31, der(0x30, oidCN, der(utf8String, []byte("alice"))), der(0x30, oidO, der(utf8String, []byte("in one set"))))),
		name(der(0x31), cn("alice")), name(attr(oidO, bmpString, "\x00d\x00e\x00v"), attr(oidCN, ia5String, "alice@example.com")), name(cn("system:node:n1"), org("system:nodes")),
		name(cn("zoë\x1b[31m\n"), org("naïve")), name(attr(oidCN, numericString, "12 34")), name(attr(oidCN, t61String, "\xe9\xff")), name(cn("front-proxy-client")),
		name(cn("Alice")), name(cn(strings.Repeat("x", 600))), name(attr(oidCN, printableString, "*.a&b")),
	} {
		r.simple(fmt.Sprintf("user %.60q", subject), []*cert{root}, issue(root, subject, with1))
		if i%4 == 0 {
			r.simple(fmt.Sprintf("user %.60q, expired", subject), []*cert{root}, issue(root, subject, with1, expired))
		}
	}
	k := p256()
	old, renewed := ca(nil, "two", keyed(k)), ca(nil, "two", keyed(k), valid(utc("260301000000Z"), utc("280101000000Z")))
	r.simple("two chains and two UIDs", []*cert{old, renewed}, issue(old, name(uid("a"), uid("b"), cn("alice")), with1))
	for _, serial := range [][]byte{{2, 1, 0}, {2, 1, 127}, {2, 2, 0, 128}, der(2, append([]byte{0x7f}, make([]byte, 20)...)), der(2, append([]byte{1}, make([]byte, 40)...))} {
		r.simple(fmt.Sprintf("serial %x", serial), nil, leaf(root, "alice", func(t *tbs) { t.serial = serial }))
	}
	r.simple("key ids of one byte and none", nil, leaf(root, "alice", withKeyID([]byte{0x0a}), withParent([]byte{})))

}
