/// s3fs's `use_sse`: nothing or `1` for the store's own keys (SSE-S3), `kmsid[:ID]` or `k[:ID]` for those of AWS KMS,
/// `custom[:FILE]` or `c[:FILE]` for one's own (SSE-C).
enum ServerSideEncryptionText {
    /// Sets what the text asks for.
    static func apply(_ text: String?, to settings: inout FineSettings) throws(OptionSpec.Rejection) {
        let parts = (text ?? "1").split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        switch parts[0] {
        case "1" where parts.count == 1: settings.serverSideEncryption = "AES256"
        case "kmsid", "k":
            settings.serverSideEncryption = "aws:kms"
            settings.kmsKeyID = parts.count == 2 && !parts[1].isEmpty ? parts[1] : nil
        case "custom", "c":
            settings.encryptsByCustomerKey = true
            if parts.count == 2, !parts[1].isEmpty { settings.customerKeyFile = parts[1] }
        default:
            throw OptionSpec.Rejection(reason: "1, kmsid[:ID] or custom[:FILE] expected, not \"\(text ?? "")\"")
        }
    }
}
