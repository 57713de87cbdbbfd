package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"strings"
	"time"
)

// der wraps content in a tag and a length.
func der(tag byte, parts ...[]byte) []byte {
	content := join(parts...)
	n := len(content)
	switch {
	case n < 128:
		return join([]byte{tag, byte(n)}, content)
	case n < 256:
		return join([]byte{tag, 0x81, byte(n)}, content)
	default:
		return join([]byte{tag, 0x82, byte(n >> 8), byte(n)}, content)
	}
}

func join(parts ...[]byte) []byte {
	var all []byte
	for _, part := range parts {
		all = append(all, part...)
	}
	return all
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func oid(numbers ...int) []byte { return must(asn1.Marshal(asn1.ObjectIdentifier(numbers))) }

const (
	utf8String      = 12
	numericString   = 18
	printableString = 19
	t61String       = 20
	ia5String       = 22
	bmpString       = 30
)

// attr is one attribute of a name, in a set of its own.
func attr(kind []byte, tag byte, value string) []byte {
	return der(0x31, der(0x30, kind, der(tag, []byte(value))))
}

var (
	oidCN  = oid(2, 5, 4, 3)
	oidO   = oid(2, 5, 4, 10)
	oidUID = oid(1, 3, 6, 1, 4, 1, 57683, 2)
)

func cn(value string) []byte  { return attr(oidCN, utf8String, value) }
func org(value string) []byte { return attr(oidO, utf8String, value) }
func uid(value string) []byte { return attr(oidUID, utf8String, value) }

func name(attributes ...[]byte) []byte { return der(0x30, attributes...) }

func utc(text string) []byte         { return der(23, []byte(text)) }
func generalized(text string) []byte { return der(24, []byte(text)) }

func ext(kind []byte, critical bool, value []byte) []byte {
	if critical {
		return der(0x30, kind, []byte{1, 1, 0xff}, der(4, value))
	}
	return der(0x30, kind, der(4, value))
}

// Extensions, by the last number of 2.5.29.
const (
	skid, usage, san, basic, constraints    = 14, 15, 17, 19, 30
	crl, policies, mappings, akid, explicit = 31, 32, 33, 35, 36
	eku, inhibit                            = 37, 54
)

func std(number int, critical bool, value []byte) []byte {
	return ext(oid(2, 5, 29, number), critical, value)
}

func basicCA(length int) []byte {
	if length < 0 {
		return std(basic, true, der(0x30, []byte{1, 1, 0xff}))
	}
	return std(basic, true, der(0x30, []byte{1, 1, 0xff}, der(2, []byte{byte(length)})))
}

var certSign = std(usage, true, []byte{3, 2, 2, 4})

var usages = map[string][]byte{
	"any":    oid(2, 5, 29, 37, 0),
	"server": oid(1, 3, 6, 1, 5, 5, 7, 3, 1),
	"client": oid(1, 3, 6, 1, 5, 5, 7, 3, 2),
	"code":   oid(1, 3, 6, 1, 5, 5, 7, 3, 3),
	"own":    oid(1, 2, 3, 4, 5),
}

// ekus is the extension for the named usages; nothing for none.
func ekus(names string) []byte {
	if names == "" {
		return nil
	}
	var list []byte
	for _, name := range strings.Split(names, "+") {
		list = append(list, usages[name]...)
	}
	return std(eku, false, der(0x30, list))
}

func dns(value string) []byte   { return der(0x82, []byte(value)) }
func email(value string) []byte { return der(0x81, []byte(value)) }
func uri(value string) []byte   { return der(0x86, []byte(value)) }
func ip(bytes ...byte) []byte   { return der(0x87, bytes) }

func sans(names ...[]byte) []byte { return std(san, false, der(0x30, names...)) }

// nameConstraints is the extension for permitted and excluded names.
func nameConstraints(permitted, excluded [][]byte) []byte {
	side := func(tag byte, names [][]byte) []byte {
		if len(names) == 0 {
			return nil
		}
		var trees []byte
		for _, base := range names {
			trees = append(trees, der(0x30, base)...)
		}
		return der(tag, trees)
	}
	return std(constraints, true, der(0x30, side(0xa0, permitted), side(0xa1, excluded)))
}

// key can sign and has a public key for certificates.
type key struct {
	signer crypto.Signer
	spki   []byte
}

func newKey(signer crypto.Signer) *key {
	return &key{signer, must(x509.MarshalPKIXPublicKey(signer.Public()))}
}

func p256() *key { return newKey(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))) }

func ec(curve elliptic.Curve) *key { return newKey(must(ecdsa.GenerateKey(curve, rand.Reader))) }

func rsaKey(bits int) *key { return newKey(must(rsa.GenerateKey(rand.Reader, bits))) }

func edKey() *key {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	return newKey(must(private, err))
}

// algorithm says how a certificate is signed: its identifier and what makes the signature.
type algorithm struct {
	identifier []byte
	hash       crypto.Hash
	pss        bool
}

var null = []byte{5, 0}

func rsaWith(last int, hash crypto.Hash) algorithm {
	return algorithm{der(0x30, oid(1, 2, 840, 113549, 1, 1, last), null), hash, false}
}

func ecdsaWith(last int, hash crypto.Hash) algorithm {
	return algorithm{der(0x30, oid(1, 2, 840, 10045, 4, 3, last)), hash, false}
}

// pssWith takes the hash as the last number of its OID, the salt length, and whether hashes carry a NULL.
func pssWith(hash crypto.Hash, last, mgfLast, salt int, parameters []byte) algorithm {
	id := func(last int) []byte { return der(0x30, oid(2, 16, 840, 1, 101, 3, 4, 2, last), parameters) }
	value := der(0x30, der(0xa0, id(last)), der(0xa1, der(0x30, oid(1, 2, 840, 113549, 1, 1, 8), id(mgfLast))),
		der(0xa2, der(2, []byte{byte(salt)})))
	return algorithm{der(0x30, oid(1, 2, 840, 113549, 1, 1, 10), value), hash, true}
}

var (
	rsaMD5, rsaSHA1      = rsaWith(4, crypto.MD5), rsaWith(5, crypto.SHA1)
	rsaSHA256            = rsaWith(11, crypto.SHA256)
	rsaSHA384            = rsaWith(12, crypto.SHA384)
	rsaSHA512            = rsaWith(13, crypto.SHA512)
	ecdsaSHA1            = algorithm{der(0x30, oid(1, 2, 840, 10045, 4, 1)), crypto.SHA1, false}
	ecdsaSHA256          = ecdsaWith(2, crypto.SHA256)
	ecdsaSHA384          = ecdsaWith(3, crypto.SHA384)
	ecdsaSHA512          = ecdsaWith(4, crypto.SHA512)
	ed25519Alg           = algorithm{der(0x30, oid(1, 3, 101, 112)), 0, false}
	pssSHA256            = pssWith(crypto.SHA256, 1, 1, 32, null)
	pssSHA384, pssSHA512 = pssWith(crypto.SHA384, 2, 2, 48, null), pssWith(crypto.SHA512, 3, 3, 64, null)
)

func (k *key) usual() algorithm {
	switch k.signer.(type) {
	case *rsa.PrivateKey:
		return rsaSHA256
	case ed25519.PrivateKey:
		return ed25519Alg
	}
	return ecdsaSHA256
}

func (k *key) sign(a algorithm, tbs []byte) []byte {
	if k.signer == nil {
		return []byte("no key, no signature")
	}
	digest := tbs
	var options crypto.SignerOpts = a.hash
	if a.hash != 0 {
		h := a.hash.New()
		h.Write(tbs)
		digest = h.Sum(nil)
	}
	if a.pss {
		options = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: a.hash}
	}
	return must(k.signer.Sign(rand.Reader, digest, options))
}

// cert is a certificate with its key.
type cert struct {
	key     *key
	subject []byte
	keyID   []byte
	der     []byte
}

// tbs is what goes into a certificate; each field may be replaced.
type tbs struct {
	version       []byte
	serial        []byte
	algorithm     algorithm
	inner         []byte
	issuer        []byte
	notBefore     []byte
	notAfter      []byte
	subject       []byte
	key           *key
	spki          []byte
	keyID, parent []byte
	noIDs         bool
	unique        []byte
	extensions    [][]byte
	noExtensions  bool
	rawExtensions []byte
	signature     func([]byte) []byte
	bits          func([]byte) []byte
	after         []byte
	tail          []byte
	signer        *key
}

type change = func(*tbs)

var serials int64 = 1000

// issue makes a certificate; without a parent it signs itself.
func issue(parent *cert, subject []byte, changes ...change) *cert {
	serials++
	t := &tbs{
		version: der(0xa0, der(2, []byte{2})), serial: must(asn1.Marshal(big.NewInt(serials))),
		notBefore: utc("260101000000Z"), notAfter: utc("270101000000Z"), subject: subject, issuer: subject,
	}
	if parent != nil {
		t.issuer, t.parent, t.signer = parent.subject, parent.keyID, parent.key
	}
	for _, change := range changes {
		change(t)
	}
	if t.key == nil {
		// Ed25519 keeps the file small; some of the others are P-256.
		t.key = edKey()
		if serials%5 == 0 {
			t.key = p256()
		}
	}
	if t.signer == nil {
		t.signer = t.key
	}
	if t.spki == nil {
		t.spki = t.key.spki
	}
	if t.algorithm.identifier == nil {
		t.algorithm = t.signer.usual()
	}
	if t.inner == nil {
		t.inner = t.algorithm.identifier
	}
	extensions := t.extensions
	if !t.noIDs {
		if t.keyID == nil {
			sum := sha1.Sum(t.spki)
			t.keyID = sum[:8]
		}
		extensions = append(extensions, std(skid, false, der(4, t.keyID)))
		if t.parent != nil {
			extensions = append(extensions, std(akid, false, der(0x30, der(0x80, t.parent))))
		}
	}
	var list []byte
	if !t.noExtensions {
		list = der(0xa3, der(0x30, extensions...))
	}
	if t.rawExtensions != nil {
		list = t.rawExtensions
	}
	body := der(0x30, t.version, t.serial, t.inner, t.issuer, der(0x30, t.notBefore, t.notAfter), t.subject, t.spki,
		t.unique, list, t.after)
	signature := t.signer.sign(t.algorithm, body)
	if t.signature != nil {
		signature = t.signature(signature)
	}
	bits := der(3, []byte{0}, signature)
	if t.bits != nil {
		bits = t.bits(signature)
	}
	return &cert{t.key, t.subject, t.keyID, join(der(0x30, body, t.algorithm.identifier, bits), t.tail)}
}

// with adds extensions.
func with(extensions ...[]byte) change {
	return func(t *tbs) {
		for _, extension := range extensions {
			if extension != nil {
				t.extensions = append(t.extensions, extension)
			}
		}
	}
}

func valid(from, to []byte) change { return func(t *tbs) { t.notBefore, t.notAfter = from, to } }
func keyed(k *key) change          { return func(t *tbs) { t.key = k } }
func signed(a algorithm) change    { return func(t *tbs) { t.algorithm = a } }
func withKeyID(id []byte) change   { return func(t *tbs) { t.keyID = id } }
func withParent(id []byte) change  { return func(t *tbs) { t.parent = id } }
func noIDs(t *tbs)                 { t.noIDs = true }
func v1(t *tbs)                    { t.version, t.noExtensions = nil, true }
func v2(t *tbs)                    { t.version, t.noExtensions = der(0xa0, der(2, []byte{1})), true }

var (
	expired = valid(utc("240101000000Z"), utc("250101000000Z"))
	future  = valid(utc("300101000000Z"), utc("310101000000Z"))
)

// ca is a certificate authority without a limit to its path.
func ca(parent *cert, subject string, changes ...change) *cert {
	return issue(parent, name(cn(subject)), append([]change{with(basicCA(-1), certSign)}, changes...)...)
}

// leaf is a certificate for both usages.
func leaf(parent *cert, subject string, changes ...change) *cert {
	return issue(parent, name(org("dev"), cn(subject)), append([]change{with(ekus("client+server"))}, changes...)...)
}

func moment(text string) time.Time { return must(time.Parse(time.RFC3339Nano, text)) }
