/// S3's canned access control lists.
///
/// See <https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl>.
enum CannedACL {
    static let known = [
        "private", "public-read", "public-read-write", "aws-exec-read", "authenticated-read", "bucket-owner-read",
        "bucket-owner-full-control", "log-delivery-write",
    ]
}
