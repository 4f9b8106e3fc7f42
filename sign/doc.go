// Package sign answers one question in four dialects: may they? Bytes and a time go in, yes or no comes out. It knows nothing of
// HTTP, reads no clock and keeps no state, so every function may be called from any number of goroutines.
//
// The dialects, and what each of them protects:
//
// A SAS token ([Token]) is the query string behind a picture URL. It protects the container or the one blob it was made for, the
// permissions, the times and, where the token carries them, the client addresses, the protocol and the reply headers. It does not
// protect against being passed on: who has the URL has the picture until the token expires. A token for a container (sr=c) opens
// every blob in it, those put there later too. The scheme, host and port of the URL are not signed, nor are query parameters that
// are not part of a SAS. There is no way to take one token back, short of changing the account key.
//
// The signature of a QStorage request ([VerifyQStorage]) covers the time of the request and nothing else: not the method, the
// path, the account or the body. Who sees one can send any other request of the same application, deletes included, for
// [QStorageWindow] before and after that time.
//
// The sign of a dfsapi upload ([VerifyDFSAPI]) covers the application's key, the length of the file and, by two of its three
// rules, isStorage and cacheTime. No rule covers the bytes of the file or a time. A captured sign therefore uploads any file of
// the same length, for ever. By the rule of the document ([RuleDocument]) it may also change isStorage and cacheTime.
//
// A FastDFS token ([VerifyFastDFSToken]) covers the path of one file and a time stamp, and is good for a fixed age. It is a plain
// MD5 with the secret inside, which is what the clients compute; a secret of 32 random characters makes that good enough for a
// link that lives minutes. A time stamp of 0 never expires and one in the future lengthens the life of the link, but only who
// knows the secret can make either. The file ID itself ([FileID]) is not a secret: its time, size and checksum can be guessed.
//
// All four need TLS to keep what they protect. Signatures are decoded and compared in constant time, and an empty key or secret
// never verifies. No error and no [Explanation] contains a key, a secret or the signature that would have been right.
package sign
