import ObjectStore
import Testing

@testable import S3

/// Which plan a profile and an environment lead to; nobody is asked.
@Suite struct CredentialsSourceTests {
    let directory = TemporaryDirectory()

    private func search(_ config: String, _ environment: [String: String] = [:], profile: String? = nil)
        -> CredentialsSearch
    {
        directory.write(".aws/config", config)
        var environment = environment
        environment["HOME"] = directory.path
        var search = CredentialsSearch(bucket: "b", profile: profile, environment: environment)
        search.paths.systemPasswd = directory.path + "/none"
        return search
    }

    private func source(_ config: String, _ environment: [String: String] = [:], profile: String? = nil)
        throws(ConfigurationError) -> CredentialsSource?
    {
        try search(config, environment, profile: profile).find().source
    }

    private func problem(_ config: String, _ environment: [String: String] = [:], profile: String? = "p") -> String {
        do throws(ConfigurationError) {
            return "no problem: \(String(describing: try source(config, environment, profile: profile)))"
        } catch { return error.description }
    }

    private let base = "[profile base]\naws_access_key_id=BASE\naws_secret_access_key=s\n"
    private let arn = "role_arn=arn:aws:iam::1:role/r\n"

    @Test func aRoleWithAnotherProfile() throws {
        let found = try source(
            base + "[profile p]\n\(arn)source_profile=base\nexternal_id=x\nrole_session_name=me\nduration_seconds=900\n"
                + "region=eu-west-1\n", profile: "p")
        guard case .role(let role, with: .keys(let keys))? = found else {
            Issue.record("\(String(describing: found))")
            return
        }
        #expect(role.arn == "arn:aws:iam::1:role/r" && role.externalID == "x" && role.sessionName == "me")
        #expect(role.duration == 900 && role.region == "eu-west-1")
        #expect(role.endpoint.url == "https://sts.eu-west-1.amazonaws.com")
        #expect(keys.accessKeyID == "BASE")
    }

    @Test func rolesInAChain() throws {
        let found = try source(
            base + "[profile mid]\n\(arn)source_profile=base\n[profile p]\nrole_arn=top\nsource_profile=mid\n",
            profile: "p")
        guard case .role(let top, with: .role(let mid, with: .keys))? = found else {
            Issue.record("\(String(describing: found))")
            return
        }
        #expect(top.arn == "top" && mid.arn == "arn:aws:iam::1:role/r")
    }

    @Test func theProfileItselfAsItsSource() throws {
        let found = try source(
            "[profile p]\n\(arn)source_profile=p\naws_access_key_id=OWN\naws_secret_access_key=s\n", profile: "p")
        guard case .role(_, with: .keys(let keys))? = found else {
            Issue.record("\(String(describing: found))")
            return
        }
        #expect(keys.accessKeyID == "OWN")
    }

    @Test func whatCannotBeARole() {
        #expect(problem("[profile p]\n\(arn)").contains("needs source_profile"))
        #expect(problem("[profile p]\n\(arn)source_profile=nobody\n").contains("no profile \"nobody\""))
        #expect(
            problem("[profile p]\n\(arn)source_profile=q\n[profile q]\n\(arn)source_profile=p\n").contains("circle"))
        #expect(problem("[profile p]\n\(arn)source_profile=q\n[profile q]\nregion=x\n").contains("no keys"))
        #expect(
            problem(base + "[profile p]\n\(arn)source_profile=base\ncredential_source=Environment\n").contains(
                "not both"))
        #expect(problem(base + "[profile p]\n\(arn)source_profile=base\nmfa_serial=m\n").contains("a code of a device"))
        #expect(problem(base + "[profile p]\n\(arn)source_profile=base\nduration_seconds=1\n").contains("900 to 43200"))
        #expect(problem("[profile p]\n\(arn)credential_source=Moon\n").contains("Environment, Ec2InstanceMetadata"))
    }

    @Test func namedSources() throws {
        let role = "[profile p]\n\(arn)credential_source="
        let keys = ["AWS_ACCESS_KEY_ID": "E", "AWS_SECRET_ACCESS_KEY": "s"]
        if case .role(_, with: .keys(let found))? = try source(role + "Environment\n", keys, profile: "p") {
            #expect(found.accessKeyID == "E")
        } else {
            Issue.record("no role")
        }
        let uri = ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/c"]
        if case .role(_, with: .container(let found))? = try source(role + "EcsContainer\n", uri, profile: "p") {
            #expect(found.url == "http://169.254.170.2/v2/c")
        } else {
            Issue.record("no role")
        }
        if case .role(_, with: .instance(let found))? = try source(role + "Ec2InstanceMetadata\n", profile: "p") {
            #expect(found.endpoint == "http://169.254.169.254" && !found.allowsV1 && found.attempts == 3)
        } else {
            Issue.record("no role")
        }
        #expect(problem(role + "Environment\n").contains("no AWS_ACCESS_KEY_ID"))
    }

    @Test func webIdentity() throws {
        let environment = ["AWS_WEB_IDENTITY_TOKEN_FILE": "/t", "AWS_ROLE_ARN": "r", "AWS_ROLE_SESSION_NAME": "n"]
        let keys = "[default]\naws_access_key_id=D\naws_secret_access_key=s\n"
        guard case .webIdentity(let identity)? = try source(keys, environment) else {
            Issue.record("the environment's token comes before a profile's keys")
            return
        }
        #expect(identity.tokenFile == "/t" && identity.arn == "r" && identity.sessionName == "n")
        #expect(problem("", ["AWS_WEB_IDENTITY_TOKEN_FILE": "/t"], profile: nil).contains("no AWS_ROLE_ARN"))
        guard case .webIdentity? = try source("[profile p]\n\(arn)web_identity_token_file=/x\n", profile: "p") else {
            Issue.record("a profile's token")
            return
        }
        let local = environment.merging(["AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1"]) { $1 }
        guard case .webIdentity(let there)? = try source("", local) else { return }
        #expect(there.endpoint.url == "http://127.0.0.1:1")
    }

    @Test func singleSignOn() throws {
        let found = try source(
            "[sso-session s]\nsso_region=eu-north-1\nsso_start_url=https://x\n"
                + "[profile p]\nsso_session=s\nsso_account_id=1\nsso_role_name=r\n", profile: "p")
        guard case .singleSignOn(let login)? = found else {
            Issue.record("\(String(describing: found))")
            return
        }
        // printf s | sha1sum
        #expect(
            login.cacheFile == directory.path + "/.aws/sso/cache/a0f1490a20d0211c997b44bc357e1972deab8ae3.json")
        #expect(login.endpoint.url == "https://portal.sso.eu-north-1.amazonaws.com")
        #expect(problem("[profile p]\nsso_session=s\n").contains("no section [sso-session s]"))
        #expect(
            problem("[profile p]\nsso_start_url=https://x\nsso_region=a\n").contains("sso_account_id is missing"))
    }

    @Test func programsAndServices() throws {
        #expect(
            try source("[profile p]\ncredential_process=/bin/x --y\n", profile: "p") == .process(command: "/bin/x --y"))
        guard case .instance(let last)? = try source("") else {
            Issue.record("the last resort")
            return
        }
        #expect(last.isLastResort && last.attempts == 1)
        #expect(problem("", ["AWS_EC2_METADATA_DISABLED": "true"], profile: nil).contains("no credentials found"))
        guard case .container? = try source("", ["AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://localhost:1/x"]) else {
            Issue.record("no container")
            return
        }
        #expect(
            problem("", ["AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://10.0.0.1/x"], profile: nil).contains("use https")
        )
        var chosen = search("", ["AWS_ACCESS_KEY_ID": "E", "AWS_SECRET_ACCESS_KEY": "s"])
        chosen.service = .instance(role: "r")
        guard case .instance(let instance)? = try chosen.find().source else {
            Issue.record("what an option asks for counts before the environment")
            return
        }
        #expect(instance.role == "r")
    }

    @Test(arguments: [
        ("127.0.0.1", true), ("127.8.8.8", true), ("169.254.170.2", true), ("169.254.170.23", true), ("::1", true),
        ("fd00:ec2::23", true), ("LocalHost", true), ("169.254.169.254", false), ("10.0.0.1", false),
        ("example.org", false), ("fd00:ec2::254", false), ("127.0.0.1.example.org", false), ("", false),
    ])
    func hostsThatMayBeAskedWithoutTLS(host: String, isTrusted: Bool) {
        #expect(ContainerEndpoint.isTrusted(host: host) == isTrusted)
    }

    @Test(arguments: [
        ("http://[::1]:80/x", true), ("http://[fd00:ec2::23]/x", true), ("https://example.org/x", true),
        ("http://u@127.0.0.1/", false), ("ftp://127.0.0.1/", false), ("http://127.0.0.1@example.org/", false),
        ("http:///x", false), ("http://127.0.0.1/a b", false),
    ])
    func urls(url: String, isTaken: Bool) {
        #expect((ContainerEndpoint.objection(to: url) == nil) == isTaken)
    }

    @Test(arguments: [
        ("a b  c", ["a", "b", "c"]), ("a 'b c' \"d \\\" e\"", ["a", "b c", "d \" e"]), ("a\\ b", ["a b"]),
        ("x '' y", ["x", "", "y"]), ("\"a\\b\"", ["a\\b"]), ("a$HOME;b|c", ["a$HOME;b|c"]), ("  ", []),
    ])
    func words(text: String, words: [String]) throws {
        #expect(try ShellWords.split(text) == words)
    }

    @Test func openQuotes() {
        #expect(throws: CredentialsError.self) { try ShellWords.split("a 'b") }
        #expect(throws: CredentialsError.self) { try ShellWords.split("a \\") }
    }

    @Test func documents() throws {
        let good = Array(
            #"{"Version":1,"AccessKeyId":"A","SecretAccessKey":"S","Token":"T","Expiration":"2026-01-02T03:04:05Z"}"#
                .utf8)
        let found = try CredentialsDocument.read(good, from: "it").credentials(from: "it")
        #expect(found.accessKeyID == "A" && found.sessionToken == "T")
        #expect(found.expiration?.seconds == 1_767_323_045)
        for bad in [
            "", "{}", "[]", "SECRETWORD", #"{"AccessKeyId":"A"}"#, #"{"Code":"Failed"}"#,
            #"{"AccessKeyId":"A","SecretAccessKey":"SECRETWORD","Expiration":"soon"}"#,
        ] {
            do throws(CredentialsError) {
                _ = try CredentialsDocument.read(Array(bad.utf8), from: "it").credentials(from: "it")
                Issue.record("\(bad) is taken")
            } catch {
                #expect(!error.description.contains("SECRETWORD"))
            }
        }
    }

    @Test func programsAreRunWithoutAShellAndTheirTroubleIsTold() throws {
        func run(_ words: String...) -> Result<[UInt8], CredentialsError> { CredentialProcess.run(words, "it") }
        #expect(try run("/bin/echo", "$HOME").get() == Array("$HOME\n".utf8))
        #expect(throws: CredentialsError.self) { try run("/nowhere/at/all").get() }
        let script = directory.write("script", "#!/bin/sh\necho SECRETWORD >&2\nexit 3\n", mode: 0o700)
        do throws(CredentialsError) { _ = try run(script).get() } catch {
            #expect(error.description.contains("status 3") && !error.description.contains("SECRETWORD"))
        }
    }
}
