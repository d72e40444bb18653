/// How connections to a store are made, where that is not as usual: through a proxy, by IPv6 only, with a client's
/// certificate.
///
/// Each setting is one of libcurl's, see <https://curl.se/libcurl/c/curl_easy_setopt.html>. Variables of the environment for
/// proxies (`https_proxy`, `no_proxy`) count where ``proxy`` is nil, as everywhere with libcurl.
public struct TransportOptions: Sendable, Equatable {
    /// The kind of addresses that connections are made to.
    public enum Addresses: Sendable, Equatable {
        case any, v4, v6
    }

    /// What the client shows to a server that asks who it is.
    public struct ClientCertificate: Sendable, Equatable {
        /// The certificate's file.
        public var file: String
        /// `PEM`, `DER` or `P12`; nil for PEM.
        public var type: String?
        /// The private key's file; nil where the certificate's holds it.
        public var keyFile: String?
        /// `PEM`, `DER` or `ENG`; nil for PEM.
        public var keyType: String?
        /// The private key's password.
        public var password: String?

        /// A certificate of the given values.
        public init(
            file: String, type: String? = nil, keyFile: String? = nil, keyType: String? = nil, password: String? = nil
        ) {
            self.file = file
            self.type = type
            self.keyFile = keyFile
            self.keyType = keyType
            self.password = password
        }
    }

    /// The proxy's URL.
    public var proxy: String?
    /// `USER:PASSWORD` for the proxy.
    public var proxyCredentials: String?
    /// The kind of addresses that connections are made to.
    public var addresses = Addresses.any
    /// The ciphers up to TLS 1.2, in OpenSSL's words.
    public var cipherSuites: String?
    /// What the client shows to a server that asks who it is.
    public var clientCertificate: ClientCertificate?
    /// Whether the certificate must be made out for the server's name.
    public var verifiesHostName = true
    /// Whether the addresses of a host are remembered, for a minute.
    public var keepsAddresses = true
    /// Whether TLS sessions are resumed.
    public var keepsSessions = true

    /// As usual.
    public init() {}
}
