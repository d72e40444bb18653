import Testing

@testable import S3

@Suite struct SharedConfigurationTests {
    private func configuration(credentials: String? = nil, config: String? = nil) throws -> SharedConfiguration {
        func file(_ text: String?, _ path: String) throws -> SharedConfiguration.File? {
            try text.map { .init(path: path, document: try INIDocument(parsing: Array($0.utf8), file: path)) }
        }
        return SharedConfiguration(credentials: try file(credentials, "cred"), config: try file(config, "conf"))
    }

    @Test func keysComeFromTheCredentialsFileFirst() throws {
        let both = try configuration(
            credentials: "[default]\naws_access_key_id=A\naws_secret_access_key=1\naws_session_token=T\n",
            config: "[default]\naws_access_key_id=B\naws_secret_access_key=2\n")
        #expect(
            try both.profile("default")?.credentials()
                == Credentials(accessKeyID: "A", secretAccessKey: "1", sessionToken: "T"))
        let one = try configuration(config: "[profile x]\naws_access_key_id=B\naws_secret_access_key=2\n")
        #expect(try one.profile("x")?.credentials() == Credentials(accessKeyID: "B", secretAccessKey: "2"))
        #expect(one.profile("y") == nil)
        #expect(one.profile("default") == nil)
    }

    @Test func profileSpellings() throws {
        let configuration = try configuration(
            config:
                "[default]\nregion=a\n[profile default]\nregion=b\n[profile \"with space\"]\nregion=c\n[x]\nregion=d\n")
        #expect(try configuration.profile("default")?.region() == "b")
        #expect(try configuration.profile("with space")?.region() == "c")
        #expect(configuration.profile("x") == nil, "the config file wants [profile x]")
    }

    @Test func settings() throws {
        let profile = try #require(
            try configuration(
                config: """
                    [profile w]
                    region = eu-west-3
                    endpoint_url = http://general:1
                    services = local
                    ca_bundle = /etc/ca.pem
                    s3 =
                      addressing_style = virtual
                    [services local]
                    dynamodb =
                      endpoint_url = http://other:2
                    s3 =
                      endpoint_url = http://special:3
                    """
            ).profile("w"))
        #expect(try profile.region() == "eu-west-3")
        #expect(try profile.endpoint()?.url == "http://special:3")
        #expect(try profile.addressing() == .virtual)
        #expect(try profile.caBundle() == "/etc/ca.pem")
        #expect(try profile.credentials() == nil)
        #expect(try !profile.ignoresEndpoints())
    }

    @Test(arguments: [
        ("region = a b", "conf:2: region"), ("endpoint_url = ftp://x", "conf:2: endpoint_url"),
        ("endpoint_url = http://a\n   b", "conf:2: endpoint_url"),
        ("s3 =\n  addressing_style = sideways", "conf:3: addressing_style"),
        ("services = none", "conf:2: there is no section"),
        ("aws_access_key_id = A", "conf:2: aws_access_key_id without"),
        ("aws_secret_access_key = SECRETWORD", "conf:2: aws_secret_access_key without"),
        ("aws_access_key_id = A\naws_secret_access_key = SECRET WORD", "conf:3: aws_secret_access_key: one word"),
        ("aws_access_key_id =\naws_secret_access_key = SECRETWORD", "conf:2: aws_access_key_id: one word"),
        ("ignore_configured_endpoint_urls = perhaps", "conf:2: ignore_configured"),
    ])
    func refusesWithFileAndLine(_ text: String, _ beginning: String) throws {
        let profile = try #require(try configuration(config: "[profile w]\n\(text)\n").profile("w"))
        do throws(ConfigurationError) {
            _ = try (profile.region(), profile.endpoint(), profile.addressing(), profile.ignoresEndpoints())
            _ = try profile.credentials()
            Issue.record("taken")
        } catch {
            #expect(error.description.hasPrefix(beginning), "\(error)")
            #expect(!error.description.contains("SECRET"))
        }
    }
}
