package discovery

import "crypto/tls"

// StoreConfig is what somebody who lists himself straight in a [Store] has to say to open it: where it is, and who he is.
type StoreConfig struct {
	// URL is where the store is, with its scheme. It has neither user nor password.
	URL string
	// TLS is what to speak TLS with, nil for the defaults. When the files that it comes from change, the store is opened anew.
	TLS *tls.Config
	// Username and Password prove who asks. Both are empty, or neither.
	Username string
	Password Secret
}
