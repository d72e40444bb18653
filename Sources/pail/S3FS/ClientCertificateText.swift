import S3

/// s3fs's `ssl_client_cert=CERT[:TYPE[:KEY[:TYPE[:PASSWORD]]]]`.
enum ClientCertificateText {
    static func parse(_ text: String) throws(OptionSpec.Rejection) -> TransportOptions.ClientCertificate {
        let parts = text.split(separator: ":", maxSplits: 4, omittingEmptySubsequences: false).map(String.init)
        func part(_ index: Int) -> String? {
            index < parts.count && !parts[index].isEmpty ? parts[index] : nil
        }
        guard let file = part(0) else { throw OptionSpec.Rejection(reason: "the certificate's file is missing") }
        return TransportOptions.ClientCertificate(
            file: file, type: part(1), keyFile: part(2), keyType: part(3), password: part(4))
    }
}
