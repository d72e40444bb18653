import Testing

@testable import pail

/// The environment of efrecon/s3fs, variable by variable.
@Suite struct ContainerSettingsTests {
    private static let keys = [
        "AWS_S3_BUCKET": "bucket", "AWS_S3_ACCESS_KEY_ID": "KEY", "AWS_S3_SECRET_ACCESS_KEY": "SECRETWORD",
    ]

    private func settings(_ changes: [String: String] = [:], files: [String: String] = [:]) throws(CommandError)
        -> ContainerSettings
    {
        try ContainerSettings(environment: Self.keys.merging(changes) { $1 }) { files[$0] }
    }

    private func refusal(_ changes: [String: String], files: [String: String] = [:]) -> String? {
        do throws(CommandError) {
            _ = try settings(changes, files: files)
            return nil
        } catch {
            #expect(error.status == .configuration)
            return error.message
        }
    }

    @Test func theLeast() throws {
        let settings = try settings()
        #expect(settings.mountPoint == "/opt/s3fs/bucket")
        #expect(settings.arguments == ["-f", "bucket", "/opt/s3fs/bucket", "-o", "dbglevel=warn", "-o", "uid=0,gid=0"])
        #expect(settings.environment["AWS_ACCESS_KEY_ID"] == "KEY")
        #expect(settings.environment["AWS_SECRET_ACCESS_KEY"] == "SECRETWORD")
        guard case .mount(let parsed, "bucket", "/opt/s3fs/bucket") = try S3FSArguments(parsing: settings.arguments)
        else {
            Issue.record("no mount")
            return
        }
        #expect(parsed.options.isForeground && parsed.options.uid == 0 && !parsed.options.allowsOther)
    }

    @Test func allOfIt() throws {
        let settings = try settings(
            [
                "AWS_S3_BUCKET": "bucket:/path", "AWS_S3_URL": "http://store:1/a,b", "AWS_S3_MOUNT": "/data",
                "AWS_S3_ACCESS_KEY_ID_FILE": "/k", "AWS_S3_SECRET_ACCESS_KEY_FILE": "/s", "UID": "999", "GID": "998",
                "S3FS_ARGS": "-o use_path_request_style,umask=0022", "S3FS_DEBUG": "1", "AWS_SESSION_TOKEN": "OTHERS",
                "PAIL_ARGS": "drain_timeout=5s",
            ], files: ["/k": "FILEKEY", "/s": "FILESECRET\r\nmore"])
        #expect(
            settings.environment["AWS_ACCESS_KEY_ID"] == "FILEKEY", "a file without a last line end is read as well")
        #expect(settings.environment["AWS_SECRET_ACCESS_KEY"] == "FILESECRET")
        #expect(settings.environment["AWS_SESSION_TOKEN"] == nil, "a token of other keys")
        #expect(settings.pailOptions == "drain_timeout=5s")
        for argument in settings.arguments { #expect(!argument.contains("SECRET"), "keys in arguments: \(argument)") }
        guard case .mount(let parsed, "bucket:/path", "/data") = try S3FSArguments(parsing: settings.arguments) else {
            Issue.record("no mount")
            return
        }
        #expect(parsed.url == "http://store:1/a,b")
        #expect(parsed.options.uid == 999 && parsed.options.gid == 998 && parsed.options.allowsOther)
        #expect(parsed.usesPathStyle && parsed.options.umask == 0o022 && parsed.debugLevel == 2)
    }

    @Test func anEnvironmentFileIsReadAndNotRun() throws {
        let text = """
            # comment
            AWS_S3_BUCKET="other"
            S3FS_ARGS='use_path_request_style'
            PATH=/evil
            AWS_S3_MOUNT=$(touch /tmp/evil)
            AWS_S3_ROOTDIR=/srv\r
            AWS_S3_MOUNT=
            """
        let settings = try settings(["AWS_S3_ENVFILE": "/env", "AWS_S3_MOUNT": "/elsewhere"], files: ["/env": text])
        #expect(settings.mountPoint == "/srv/bucket")
        #expect(settings.arguments[1] == "other")
        #expect(settings.environment["PATH"] == nil)
    }

    @Test func aPasswordFileStandsInForKeys() throws {
        let none = ["AWS_S3_ACCESS_KEY_ID": "", "AWS_S3_SECRET_ACCESS_KEY": ""]
        let named = try settings(none.merging(["AWS_S3_AUTHFILE": "/auth"]) { $1 })
        #expect(named.arguments.contains("passwd_file=/auth"))
        let standard = try settings(none, files: ["/opt/s3fs/passwd-s3fs": "x"])
        #expect(standard.arguments.contains("passwd_file=/opt/s3fs/passwd-s3fs"))
        #expect(try !settings(none).arguments.contains { $0.contains("passwd_file") }, "AWS's own chain goes on")
    }

    @Test func mistakesAreNamed() {
        #expect(refusal(["AWS_S3_BUCKET": ""]) == "no bucket: set AWS_S3_BUCKET")
        #expect(refusal(["AWS_S3_SECRET_ACCESS_KEY": ""])?.contains("AWS_S3_SECRET_ACCESS_KEY is not") ?? false)
        #expect(refusal(["AWS_S3_ACCESS_KEY_ID": ""])?.contains("AWS_S3_ACCESS_KEY_ID is not") ?? false)
        #expect(refusal(["AWS_S3_ACCESS_KEY_ID_FILE": "/none"])?.contains("there is no file /none") ?? false)
        #expect(
            refusal(["AWS_S3_SECRET_ACCESS_KEY_FILE": "/s"], files: ["/s": "\nX"])?.contains("/s is empty") ?? false)
        #expect(refusal(["AWS_S3_ENVFILE": "/none"])?.contains("AWS_S3_ENVFILE") ?? false)
        #expect(refusal(["UID": "-1"])?.contains("UID: a number expected") ?? false)
        #expect(refusal(["GID": "4294967295"])?.contains("GID") ?? false)
        #expect(refusal(["AWS_S3_MOUNT": "relative"])?.contains("an absolute path expected") ?? false)
    }

    @Test func whatServes() {
        #expect(ContainerCommand.servesHere(["container"]) == true)
        #expect(ContainerCommand.servesHere(["container", "empty.sh"]) == true)
        #expect(ContainerCommand.servesHere(["container", "health"]) == false)
        #expect(ContainerCommand.servesHere(["mount"]) == nil)
    }
}
