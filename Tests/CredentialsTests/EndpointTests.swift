import Testing

@testable import S3

@Suite struct EndpointTests {
    @Test(arguments: [
        ("http://127.0.0.1:8333", "http://127.0.0.1:8333"), ("https://S3.Example.org/", "https://s3.example.org"),
        ("HTTPS://minio", "https://minio"), ("http://[::1]:9000", "http://[::1]:9000"),
        ("http://store/base/path/", "http://store/base/path"), ("http://a_b.c:1", "http://a_b.c:1"),
    ])
    func reads(_ text: String, _ url: String) throws {
        #expect(try EndpointURL(text).url == url)
    }

    @Test(arguments: [
        "", "127.0.0.1:8333", "ftp://x", "http://", "http:///x", "http://a b", "http://a:", "http://a:0",
        "http://a:65536",
        "http://a:8x", "http://u:p@a", "http://a/?x=1", "http://a#f", "http://[::1", "http://[]", "http://a..b",
        "http://a:+1",
        "http://a//b", "http://\u{e9}", "http://[::1]x",
    ])
    func refuses(_ text: String) {
        #expect(throws: EndpointURL.Malformed.self) { try EndpointURL(text) }
    }

    @Test func aws() throws {
        #expect(EndpointURL(awsRegion: "eu-west-1").url == "https://s3.eu-west-1.amazonaws.com")
        #expect(EndpointURL(awsRegion: "cn-north-1").url == "https://s3.cn-north-1.amazonaws.com.cn")
        #expect(EndpointURL(awsRegion: "eu-west-1").isAWS)
        #expect(EndpointURL(awsRegion: "eu-west-1").regionInHost == "eu-west-1")
        #expect(try EndpointURL("https://s3.amazonaws.com").regionInHost == nil)
        #expect(try EndpointURL("https://s3.dualstack.eu-west-1.amazonaws.com").regionInHost == "eu-west-1")
        #expect(try !EndpointURL("https://amazonaws.com.example.org").isAWS)
    }

    private func resolve(
        _ bucket: String = "buck", _ choices: EndpointResolution.Choices = .init(),
        _ environment: [String: String] = [:],
        config: String? = nil
    ) throws -> EndpointResolution {
        let file = try config.map { text in
            SharedConfiguration.File(path: "conf", document: try INIDocument(parsing: Array(text.utf8), file: "conf"))
        }
        return try EndpointResolution(
            bucket: bucket, choices: choices, environment: environment,
            profile: SharedConfiguration(credentials: nil, config: file).profile("default"))
    }

    @Test func standards() throws {
        let found = try resolve()
        #expect(found.endpoint.url == "https://s3.us-east-1.amazonaws.com")
        #expect(found.region == "us-east-1")
        #expect(found.addressing == .virtualHost)
        #expect(found.caBundle == nil)
    }

    @Test func orderOfPlaces() throws {
        let config = """
            [default]
            region = r5
            endpoint_url = http://e5
            ca_bundle = c5
            s3 =
              addressing_style = virtual
            """
        var environment = [
            "AWS_ENDPOINT_URL_S3": "http://e2", "AWS_ENDPOINT_URL": "http://e3", "AWS_REGION": "r2",
            "AWS_DEFAULT_REGION": "r3",
            "AWS_CA_BUNDLE": "c2", "CURL_CA_BUNDLE": "c6",
        ]
        let choices = EndpointResolution.Choices(
            endpoint: try EndpointURL("http://e1"), region: "r1", addressing: .path, caBundle: "c1")
        func check(_ found: EndpointResolution, _ url: String, _ region: String, _ ca: String?) {
            #expect(found.endpoint.url == url)
            #expect(found.region == region)
            #expect(found.caBundle == ca)
        }
        check(try resolve("buck", choices, environment, config: config), "http://e1", "r1", "c1")
        check(try resolve("buck", .init(), environment, config: config), "http://e2", "r2", "c2")
        environment["AWS_ENDPOINT_URL_S3"] = ""
        environment["AWS_REGION"] = nil
        environment["AWS_CA_BUNDLE"] = nil
        check(try resolve("buck", .init(), environment, config: config), "http://e3", "r3", "c5")
        environment = ["CURL_CA_BUNDLE": "c6"]
        check(try resolve("buck", .init(), environment, config: config), "http://e5", "r5", "c5")
        check(try resolve("buck", .init(), environment), "https://s3.us-east-1.amazonaws.com", "us-east-1", "c6")
        environment = ["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true", "AWS_ENDPOINT_URL": "http://e3"]
        check(try resolve("buck", .init(), environment, config: config), "https://s3.r5.amazonaws.com", "r5", "c5")
        #expect(try resolve("buck", choices, environment, config: config).addressing == .path)
        #expect(try resolve("buck", .init(), environment, config: config).addressing == .virtualHost)
    }

    @Test func addressing() throws {
        let aws = EndpointResolution.Choices()
        let own = EndpointResolution.Choices(endpoint: try EndpointURL("https://store.example.org"))
        #expect(try resolve("plain-bucket", aws).addressing == .virtualHost)
        #expect(try resolve("with.dots", aws).addressing == .path)
        #expect(try resolve("With_Capitals", aws).addressing == .path)
        #expect(try resolve("plain-bucket", own).addressing == .path)
        let plain = EndpointResolution.Choices(endpoint: try EndpointURL("http://s3.eu-west-1.amazonaws.com"))
        #expect(try resolve("with.dots", plain).addressing == .virtualHost)
        #expect(try resolve("with.dots", plain).region == "eu-west-1")
    }

    @Test func refusesMalformedVariables() {
        #expect(throws: ConfigurationError.self) { try resolve("b", .init(), ["AWS_REGION": "a b"]) }
        #expect(throws: ConfigurationError.self) { try resolve("b", .init(), ["AWS_ENDPOINT_URL": "nonsense"]) }
    }
}
