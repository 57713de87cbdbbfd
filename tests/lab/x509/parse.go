package main

import (
	"crypto/elliptic"
	"fmt"
	"strings"
)

// parseCases makes certificates that are broken or odd in one place each.
func parseCases(r *recorder) {
	root := ca(nil, "root", keyed(p256()))
	k := p256()
	try := func(name string, changes ...change) {
		r.parse(name, issue(root, nameOf("alice"), append([]change{keyed(k), noIDs}, changes...)...).der)
	}
	good := leaf(root, "alice").der
	r.parse("good", good)
	r.parse("empty", nil)
	r.parse("trailing byte", append(append([]byte{}, good...), 0))
	for _, length := range []int{1, 2, 4, 10, 100, len(good) - 1} {
		r.parse(fmt.Sprintf("cut to %d", length), good[:length])
	}
	r.parse("not a sequence", []byte{0x31, 0})
	r.parse("empty sequence", []byte{0x30, 0})
	r.parse("tbs not a sequence", der(0x30, der(2, []byte{1})))
	r.parse("tbs empty", der(0x30, der(0x30)))
	r.parse("long form length", append([]byte{0x30, 0x83, 0}, good[2:]...))
	r.parse("indefinite length", append([]byte{0x30, 0x80}, good[4:]...))
	try("trailing data", func(t *tbs) { t.tail = []byte{1} })
	for i, version := range [][]byte{der(0xa0, der(2, []byte{0})), der(0xa0, der(2, []byte{1})), der(0xa0, der(2, []byte{3})), der(0xa0, der(2, []byte{0xff})), der(0xa0), der(0xa0, der(2, []byte{2}), null), der(0xa0, der(4, []byte{2})), der(0xa0, der(2, []byte{0, 2})), der(0xa0, der(2, []byte{1, 0, 0, 0, 0, 0, 0, 0, 0}))} {
		try(fmt.Sprintf("version %d", i), func(t *tbs) { t.version = version })
	}
	try("version 1 with extensions", func(t *tbs) { t.version = nil })
	for i, serial := range [][]byte{{2, 1, 0xff}, {2, 1, 0x80}, {2, 0}, {2, 2, 0, 1}, {2, 2, 0xff, 0x80}, {2, 2, 0xff, 0x7f}, {4, 1, 1}, {}, {2, 1, 0}, der(2, append([]byte{1}, make([]byte, 300)...))} {
		try(fmt.Sprintf("serial %d", i), func(t *tbs) { t.serial = serial })
	}
	try("inner algorithm differs", func(t *tbs) { t.inner = rsaSHA256.identifier })
	try("inner algorithm with parameters", func(t *tbs) { t.inner = der(0x30, oid(1, 2, 840, 10045, 4, 3, 2), null) })
	try("inner algorithm not a sequence", func(t *tbs) { t.inner = null })
	for i, id := range [][]byte{der(0x30), der(0x30, null), der(0x30, oid(1, 2), []byte{5}), der(0x30, []byte{6, 0}), der(0x30, []byte{6, 1, 0x80}), der(0x30, []byte{6, 6, 0x2a, 0x88, 0x80, 0x80, 0x80, 0}), der(0x30, oid(1, 2), []byte{0x1f, 1, 0})} {
		try(fmt.Sprintf("algorithm %d", i), func(t *tbs) { t.algorithm = ecdsaSHA256; t.algorithm.identifier = id })
	}
	for i, bad := range [][]byte{null, der(0x30, null), der(0x30, der(0x31, null)), der(0x30, der(0x31, der(0x30))), der(0x30, der(0x31, der(0x30, oidCN))), der(0x30, der(0x31, der(0x30, oidCN, []byte{12, 5}))),
		nameTag(printableString, "under_score"), nameTag(printableString, "at@"), nameTag(printableString, "star*&"), nameTag(printableString, "\xff"), nameTag(utf8String, "\xff"), nameTag(utf8String, "\xed\xa0\x80"),
		nameTag(ia5String, "\x80"), nameTag(ia5String, "a\x00"), nameTag(numericString, "1a"), nameTag(bmpString, "\x00"), nameTag(bmpString, "\xd8\x00"), nameTag(bmpString, "\xff\xfe"), nameTag(bmpString, "\xfd\xd0"), nameTag(bmpString, "\x00\x00"), nameTag(bmpString, ""),
		nameTag(t61String, "\xff"), nameTag(4, "x"), nameTag(28, "\x00\x00\x00a"), nameTag(26, "visible"), nameTag(27, "general"), nameTag(2, "\x01"), nameTag(0x30, ""), nameTag(23, "260101000000Z"), der(0x30), der(0x30, der(0x31))} {
		try(fmt.Sprintf("subject %d", i), func(t *tbs) { t.subject = bad })
		if i < 8 {
			try(fmt.Sprintf("issuer %d", i), func(t *tbs) { t.issuer = bad })
		}
	}
	for i, date := range [][]byte{utc(""), utc("260101000000"), utc("261301000000Z"), utc("260230000000Z"), utc("240229000000Z"), utc("000229000000Z"), utc("260101240000Z"), utc("260101006000Z"), utc("260101000060Z"), utc("2601010000Z"), utc("26010100Z"),
		utc("260101000000+0000"), utc("260101000000-0000"), utc("260101000000+2400"), utc("260101000000+2401"), utc("260101000000+2500"), utc("260101000000+0160"), utc("260101000000+01"), utc("260101000000.5Z"), utc("2601010000+0100"), utc("260101000000z"), utc("26010100000 Z"), utc("26-101000000Z"),
		generalized("20260101000000Z"), generalized("20260101000000"), generalized("202601010000Z"), generalized("20260101000000.1Z"), generalized("20260101000000+0100"), generalized("20230229000000Z"), generalized("00000229000000Z"), generalized("99991231235959Z"), generalized(""), null, der(12, []byte("2026"))} {
		try(fmt.Sprintf("date %d", i), func(t *tbs) { t.notBefore = date })
		if i < 3 {
			try(fmt.Sprintf("end date %d", i), func(t *tbs) { t.notAfter = date })
		}
	}
	spki := func(id []byte, bits []byte) change { return func(t *tbs) { t.spki = der(0x30, id, bits) } }
	bits := func(data ...byte) []byte { return der(3, []byte{0}, data) }
	rsaID := der(0x30, oid(1, 2, 840, 113549, 1, 1, 1), null)
	ecID := func(curve []byte) []byte { return der(0x30, oid(1, 2, 840, 10045, 2, 1), curve) }
	p256ID := oid(1, 2, 840, 10045, 3, 1, 7)
	try("spki no sequence", func(t *tbs) { t.spki = null })
	try("spki empty", func(t *tbs) { t.spki = der(0x30) })
	try("spki algorithm empty", spki(der(0x30), bits()))
	try("spki no bits", spki(rsaID, null))
	try("spki no bits at all", spki(rsaID, der(3)))
	try("spki spare bits set", spki(rsaID, der(3, []byte{3, 0xff})))
	try("spki eight spare bits", spki(rsaID, der(3, []byte{8, 0})))
	try("RSA without NULL", spki(der(0x30, oid(1, 2, 840, 113549, 1, 1, 1)), bits()))
	for i, data := range [][]byte{{}, der(0x30), der(0x30, []byte{2, 1, 5}), der(0x30, []byte{2, 1, 0, 2, 1, 3}), der(0x30, []byte{2, 1, 0xff, 2, 1, 3}), der(0x30, []byte{2, 1, 5, 2, 1, 0}), der(0x30, []byte{2, 1, 5, 2, 1, 0xff}), der(0x30, []byte{2, 1, 5, 2, 1, 3}), der(0x30, []byte{2, 2, 0, 5, 2, 1, 3}), der(0x30, []byte{2, 1, 5, 2, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0}), append(der(0x30, []byte{2, 1, 5, 2, 1, 3}), 9), der(0x30, []byte{2, 1, 5, 2, 1, 3, 9})} {
		try(fmt.Sprintf("RSA key %d", i), spki(rsaID, bits(data...)))
	}
	point := func(curve elliptic.Curve) []byte {
		s := ec(curve).spki
		size := (curve.Params().BitSize + 7) / 8
		return s[len(s)-1-2*size:]
	}
	for _, c := range []struct {
		name  string
		curve elliptic.Curve
		id    []byte
	}{{"P-256", elliptic.P256(), p256ID}, {"P-384", elliptic.P384(), oid(1, 3, 132, 0, 34)}, {"P-521", elliptic.P521(), oid(1, 3, 132, 0, 35)}, {"P-224", elliptic.P224(), oid(1, 3, 132, 0, 33)}} {
		p := point(c.curve)
		size := (len(p) - 1) / 2
		try(c.name+" good", spki(ecID(c.id), bits(p...)))
		try(c.name+" short", spki(ecID(c.id), bits(p[:len(p)-1]...)))
		try(c.name+" long", spki(ecID(c.id), bits(append(p, 0)...)))
		try(c.name+" compressed", spki(ecID(c.id), bits(append([]byte{2}, p[1:1+size]...)...)))
		try(c.name+" hybrid", spki(ecID(c.id), bits(append([]byte{6}, p[1:]...)...)))
		try(c.name+" infinity", spki(ecID(c.id), bits(0)))
		try(c.name+" nothing", spki(ecID(c.id), bits()))
		prime := c.curve.Params().P.FillBytes(make([]byte, size))
		try(c.name+" prime", spki(ecID(c.id), bits(append(append([]byte{4}, prime...), p[1+size:]...)...)))
		try(c.name+" too large", spki(ecID(c.id), bits(append(append([]byte{4}, p[1:1+size]...), []byte(strings.Repeat("\xff", size))...)...)))
		off := append([]byte{}, p...)
		off[len(off)-1] ^= 1
		try(c.name+" not on the curve", spki(ecID(c.id), bits(off...)))
		try(c.name+" zero", spki(ecID(c.id), bits(append([]byte{4}, make([]byte, 2*size)...)...)))
	}
	try("EC without curve", spki(der(0x30, oid(1, 2, 840, 10045, 2, 1)), bits(4)))
	try("EC with NULL", spki(ecID(null), bits(4)))
	try("secp256k1", spki(ecID(oid(1, 3, 132, 0, 10)), bits(4)))
	try("Ed25519 with parameters", spki(der(0x30, oid(1, 3, 101, 112), null), bits(make([]byte, 32)...)))
	try("Ed25519 short", spki(der(0x30, oid(1, 3, 101, 112)), bits(make([]byte, 31)...)))
	try("Ed25519 zero", spki(der(0x30, oid(1, 3, 101, 112)), bits(make([]byte, 32)...)))
	dsaID := func(numbers ...byte) []byte { return der(0x30, oid(1, 2, 840, 10040, 4, 1), der(0x30, numbers)) }
	try("DSA good", spki(dsaID(2, 1, 7, 2, 1, 3, 2, 1, 2), bits(2, 1, 5)))
	try("DSA without key", spki(dsaID(2, 1, 7, 2, 1, 3, 2, 1, 2), bits()))
	try("DSA without parameters", spki(der(0x30, oid(1, 2, 840, 10040, 4, 1)), bits(2, 1, 5)))
	try("DSA with two parameters", spki(dsaID(2, 1, 7, 2, 1, 3), bits(2, 1, 5)))
	try("DSA zero", spki(dsaID(2, 1, 7, 2, 1, 0, 2, 1, 2), bits(2, 1, 5)))
	try("DSA negative", spki(dsaID(2, 1, 7, 2, 1, 3, 2, 1, 2), bits(2, 1, 0x85)))
	try("X25519 short", spki(der(0x30, oid(1, 3, 101, 110)), bits(1, 2)))
	try("unique ids", func(t *tbs) { t.unique = join(der(0x81, []byte{0, 1}), der(0x82, []byte{0, 1})) })
	try("broken issuer unique id", func(t *tbs) { t.unique = []byte{0x81, 0x7f}; t.noExtensions = true; t.noIDs = true })
	try("broken subject unique id", func(t *tbs) { t.unique = []byte{0x82, 0x85, 1}; t.noExtensions = true; t.noIDs = true })
	try("bytes after the extensions", func(t *tbs) { t.after = null })
	for i, raw := range [][]byte{der(0xa3), der(0xa3, null), {0xa3, 0x7f}, der(0xa3, der(0x30)), der(0xa3, der(0x30, null)), der(0xa3, der(0x30, der(0x30))), der(0xa3, der(0x30, der(0x30, oid(1, 2)))), der(0xa3, der(0x30, der(0x30, oid(1, 2), []byte{1, 1, 1}, der(4)))), der(0xa3, der(0x30, der(0x30, oid(1, 2), []byte{1, 1, 0}, der(4)))), der(0xa3, der(0x30, der(0x30, oid(1, 2), []byte{1, 2, 0, 0}, der(4)))), der(0xa3, der(0x30, der(0x30, oid(1, 2), der(4), der(4)))), der(0xa3, der(0x30), null)} {
		try(fmt.Sprintf("extensions %d", i), func(t *tbs) { t.rawExtensions = raw })
	}
	twice := func(extension []byte) {
		try(fmt.Sprintf("twice %x", extension[:9]), with(extension, extension))
	}
	twice(ekus("client"))
	twice(basicCA(-1))
	twice(ext(oid(1, 2, 3, 4, 5), false, null))
	twice(sans(dns("a")))
	try("twice, and the first one broken", with(std(usage, true, null), std(usage, true, null)))
	try("two duplicates, a broken one between", with(ekus("client"), der(0x30, null), ekus("client")))
	odd := func(label string, number int, critical bool, values ...[]byte) {
		for i, value := range values {
			try(fmt.Sprintf("%s %d", label, i), func(t *tbs) { t.noIDs = true }, with(std(number, critical, value)))
		}
	}
	odd("key usage", usage, true, null, []byte{3, 0}, []byte{3, 1, 0}, []byte{3, 1, 1}, []byte{3, 2, 9, 0}, []byte{3, 2, 1, 1}, []byte{3, 3, 7, 4, 0x80}, []byte{3, 2, 2, 4, 9}, nil)
	odd("basic constraints", basic, true, null, der(0x30), der(0x30, []byte{1, 1, 0}), der(0x30, []byte{1, 1, 1}), der(0x30, []byte{1, 1, 0xff, 2, 1, 0xff}), der(0x30, []byte{1, 1, 0xff, 2, 1, 5}), der(0x30, []byte{2, 1, 3}), der(0x30, []byte{1, 1, 0xff, 2, 9, 0, 0xff, 1, 1, 1, 1, 1, 1, 1}), der(0x30, []byte{1, 1, 0xff, 2, 8, 0x7f, 1, 1, 1, 1, 1, 1, 1}), der(0x30, []byte{1, 1, 0xff, 2, 10, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}), der(0x30, []byte{1, 1, 0xff, 5, 0}), append(der(0x30), 1), nil)
	odd("alternative names", san, false, null, der(0x30), der(0x30, null), der(0x30, []byte{0x82, 5}), der(0x30, dns("\xff")), der(0x30, email("\x80")), der(0x30, uri("\xc3")), der(0x30, ip(1, 2, 3)), der(0x30, ip(1, 2, 3, 4, 5)), der(0x30, ip()), der(0x30, der(0xa0, oid(1, 2), der(0xa0, der(12, []byte("x"))))), der(0x30, der(0xa2, []byte("constructed"))), append(der(0x30, dns("a")), 1))
	for _, text := range []string{"", "a", ":", "://", "http://", "//", "//host", "///x", "1http://a", "ht+tp://a.b", "a:b", "a:b/c", "./a:b", "a/b:c", "http://a b", "http://a:x/", "http://a:1:2/", "x://a:1:2/", "http://a..b/", "http://.a/", "http://a./", "http://a:/", "http://a?q#f", "#f", "?q", "*", "http:a", "http:/a", "HTTP://A", "http://a\x01", "http://a\x7f", "-a://b", "a_b://c", "http://a/b:c?d=e&f", "http://-a", "http://a,b", "http://*"} {
		try(fmt.Sprintf("URI %q", text), with(sans(uri(text))))
	}
	odd("name constraints", constraints, true, null, der(0x30), der(0x30, der(0xa0)), der(0x30, der(0xa0), der(0xa1)), der(0x30, der(0xa2)), append(der(0x30, der(0xa0, der(0x30, dns("a")))), 0), der(0x30, der(0xa0, null)), der(0x30, der(0xa0, der(0x30))), der(0x30, der(0xa1, der(0x30, dns("a")), der(0x30))), der(0x30, der(0xa1, der(0x30, dns("a"))), der(0xa0, der(0x30, dns("a")))))
	tree := func(base []byte) []byte { return der(0x30, der(0xa0, der(0x30, base))) }
	odd("constraint", constraints, true, tree(dns("a..b")), tree(dns(".")), tree(dns("..a")), tree(dns("a.")), tree(dns("a b")), tree(dns("\xff")), tree(dns("é\xff\"")), tree(dns("*.a")), tree(email("a@b@c")), tree(email("@b")), tree(email("a@b.")), tree(email("b c")), tree(email("\xff")), tree(uri("10.0.0.1")), tree(uri("::1")), tree(uri("http://a")), tree(uri("a/b")), tree(uri("a..b")), tree(uri("\xff")), tree(ip(1, 2, 3, 4)), tree(ip(1, 2, 3, 4, 255, 0, 255, 0)), tree(ip(1, 2, 3, 4, 255, 253, 0, 0)), tree(ip(make([]byte, 32)...)), tree(ip(1, 2, 3, 4, 255, 255, 255, 254)), tree(der(0x88, []byte{42})))
	odd("key id", skid, false, null, der(4), der(4, []byte{1}), append(der(4, []byte{1}), 1), nil)
	odd("critical key id", skid, true, der(4, []byte{1}))
	odd("authority", akid, false, null, der(0x30), der(0x30, der(0x80)), der(0x30, der(0x80, []byte{1})), der(0x30, []byte{0x80, 5}), der(0x30, der(0xa1, null)), nil)
	odd("critical authority", akid, true, der(0x30))
	odd("usages", eku, false, null, der(0x30), der(0x30, null), der(0x30, []byte{6, 0}), der(0x30, []byte{6, 1, 0x80}), append(der(0x30, usages["any"]), 1), nil)
	odd("policies", policies, false, null, der(0x30), der(0x30, null), der(0x30, der(0x30)), der(0x30, der(0x30, oid(1, 2)), der(0x30, oid(1, 2))), der(0x30, der(0x30, []byte{6, 0})), der(0x30, der(0x30, []byte{6, 1, 0x81})), der(0x30, der(0x30, []byte{6, 2, 0x80, 1})), der(0x30, der(0x30, []byte{6, 9, 0x2a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})), der(0x30, der(0x30, oid(1, 2), null)))
	odd("mappings", mappings, true, null, der(0x30), der(0x30, der(0x30)), der(0x30, der(0x30, oid(1, 2))), der(0x30, der(0x30, oid(1, 2), oid(1, 3))), der(0x30, null))
	odd("policy constraints", explicit, true, null, der(0x30), der(0x30, der(0x80)), der(0x30, []byte{0x80, 1, 0xff}), der(0x30, []byte{0x81, 1, 0}), der(0x30, []byte{0x80, 1, 0, 0x81, 0}), der(0x30, []byte{0x80, 9, 1, 1, 1, 1, 1, 1, 1, 1, 1}), der(0x30, null))
	odd("inhibit", inhibit, true, null, []byte{2, 1, 0}, []byte{2, 1, 0xff}, []byte{2, 0}, []byte{2, 9, 1, 1, 1, 1, 1, 1, 1, 1, 1}, []byte{4, 1, 0})
	odd("CRLs", crl, false, null, der(0x30), der(0x30, null), der(0x30, der(0x30)), der(0x30, der(0x30, der(0xa0))), der(0x30, der(0x30, der(0xa0, der(0xa0)))), der(0x30, der(0x30, der(0xa0, der(0xa0, uri("http://a"), dns("b"))))), der(0x30, der(0x30, der(0xa0, der(0xa1)))), der(0x30, der(0x30, der(0xa0, der(0xa0, []byte{0x86, 9})))), der(0x30, der(0x30, []byte{0xa0, 9})))
	aia := oid(1, 3, 6, 1, 5, 5, 7, 1, 1)
	for i, value := range [][]byte{null, der(0x30), der(0x30, null), der(0x30, der(0x30)), der(0x30, der(0x30, oid(1, 2))), der(0x30, der(0x30, oid(1, 2), uri("http://a"))), der(0x30, der(0x30, oid(1, 2), []byte{0x86, 9})), der(0x30, der(0x30, oid(1, 2), dns("x")))} {
		try(fmt.Sprintf("authority information %d", i), with(ext(aia, false, value)))
	}
	try("critical authority information", with(ext(aia, true, der(0x30))))
	try("order of faults: usage before names", with(std(usage, true, null), sans(ip(1))))
	try("order of faults: names before usage", with(sans(ip(1)), std(usage, true, null)))
	try("signature no bits", func(t *tbs) { t.bits = func([]byte) []byte { return null } })
	try("signature empty", func(t *tbs) { t.bits = func([]byte) []byte { return der(3, []byte{0}) } })
	try("signature spare bits", func(t *tbs) { t.bits = func([]byte) []byte { return der(3, []byte{1, 1}) } })
	try("signature missing", func(t *tbs) { t.bits = func([]byte) []byte { return nil } })
	try("signature and more", func(t *tbs) { t.bits = func(s []byte) []byte { return join(der(3, []byte{0}, s), null) } })
}

func nameOf(subject string) []byte { return name(cn(subject)) }

func nameTag(tag byte, value string) []byte {
	return der(0x30, der(0x31, der(0x30, oidCN, der(tag, []byte(value)))))
}
