import Logging
import S3
import Testing

@testable import pail

@Suite struct S3FSArgumentsTests {
    private func request(_ arguments: String..., environment: [String: String] = [:]) throws -> MountRequest {
        guard case .mount(let settings, let source, let mountPoint) = try S3FSArguments(parsing: arguments) else {
            throw CommandError(.failure, "no mount")
        }
        return try S3FSCommand.request(
            settings, source: source, mountPoint: mountPoint, "/here", environment.merging(["HOME": "/h"]) { $1 })
    }

    private func problem(_ arguments: String...) -> String? {
        do throws(CommandError) {
            guard case .mount(let settings, let source, let mountPoint) = try S3FSArguments(parsing: arguments) else {
                return nil
            }
            _ = try settings.request(source: source, mountPoint: mountPoint, user: 0)
            return nil
        } catch { return error.message }
    }

    @Test func theDefaultsAreThoseOfS3FS() throws {
        let request = try self.request("bucket", "/mnt")
        let options = request.options
        #expect(request.source == (try MountSource("bucket")))
        #expect(request.mountPoint == "/mnt")
        #expect(options.endpointURL == "https://s3.us-east-1.amazonaws.com")
        #expect(options.region == "us-east-1")
        #expect(options.addressing == .virtual)
        #expect((options.subtype, options.fsName) == ("s3fs", "s3fs"))
        #expect((options.fileMode, options.directoryMode) == (0o640, 0o750))
        #expect(options.fine.rootMode == 0o700)
        #expect(!options.fine.hasExtendedAttributes)
        #expect(options.fine.showsDeniedAsNotPermitted)
        #expect(options.listVersion == 1)
        #expect(!options.isForeground)
        #expect(options.logLevel == .error)
    }

    @Test func theRootsModeFollowsTheMask() throws {
        let cases: [(list: String, mode: UInt32)] = [
            ("allow_other", 0o777), ("allow_other,mp_umask=027", 0o750), ("mp_umask=027", 0o700),
            ("mp_umask=0,allow_other", 0o777),
        ]
        for (list, mode) in cases {
            #expect(try request("b1c", "/m", "-o", list).options.fine.rootMode == mode, "\(list)")
        }
    }

    @Test func theContainersEntryPoint() throws {
        let options = try request(
            "-d", "-d", "-o", "passwd_file=/opt/s3fs/passwd-s3fs", "-o", "url=https://store.example/", "-o", "uid=33",
            "-o", "gid=34", "-o", "allow_other,use_path_request_style", "bucket:/path", "/opt/s3fs/bucket"
        ).options
        #expect(options.passwdFile == "/opt/s3fs/passwd-s3fs")
        #expect(options.endpointURL == "https://store.example")
        #expect((options.uid, options.gid) == (33, 34))
        #expect(options.addressing == .path)
        #expect(options.logLevel == .debug)
        #expect(!options.isForeground, "-d does not keep it in the foreground")
    }

    @Test func theSourcesForms() throws {
        for (arguments, wanted) in [
            (["b1c:/p/q/", "/m"], "s3://b1c/p/q"), (["s3fs#b1c:/p", "/m"], "s3://b1c/p"), (["b1c:", "/m"], "s3://b1c"),
            (["b1c:/", "/m"], "s3://b1c"), (["/m", "-o", "bucket=b1c:/p"], "s3://b1c/p"),
            (["-o", "bucket=b1c", "b1c", "/m"], "s3://b1c"),
        ] {
            guard case .mount(let settings, let source, let point) = try S3FSArguments(parsing: arguments) else {
                #expect(Bool(false), "\(arguments)")
                continue
            }
            let request = try settings.request(source: source, mountPoint: point, user: 0)
            #expect(request.source.description == wanted, "\(arguments)")
            #expect(request.mountPoint == "/m")
        }
    }

    @Test func relativePathsAreThoseOfTheCaller() throws {
        let options = try request(
            "b1c", "m", "-o", "passwd_file=pw,logfile=log,mime=types,tmpdir=t,set_check_cache_sigusr1=report"
        ).options
        #expect(options.passwdFile == "/here/pw")
        #expect(options.logFile == "/here/log")
        #expect(options.fine.contentTypesFile == "/here/types")
        #expect(options.fine.reportFile == "/here/report")
        #expect(options.stateDirectory?.hasPrefix("/here/t/pail-s3fs-") == true)
    }

    @Test func theEnvironmentsVariablesCount() throws {
        let options = try request(
            "b1c", "/m", "-o", "use_sse=kmsid",
            environment: ["S3FS_LOGFILE": "/log", "S3FS_MSGTIMESTAMP": "no", "AWSSSEKMSID": "key"]
        ).options
        #expect(options.logFile == "/log")
        #expect(!options.fine.logsTime)
        #expect((options.fine.serverSideEncryption, options.fine.kmsKeyID) == ("aws:kms", "key"))
        #expect(
            try request("b1c", "/m", "-ologfile=/mine", environment: ["S3FS_LOGFILE": "/log"]).options.logFile
                == "/mine")
    }

    @Test func theEnvironmentOfAWSsToolsDoesNotCount() throws {
        var settings = S3FSSettings()
        let given = [
            "AWS_ENDPOINT_URL": "x", "AWS_REGION": "y", "AWS_PROFILE": "z", "AWS_ACCESS_KEY_ID": "k", "HOME": "/h",
        ]
        #expect(try settings.environment(from: given) == ["AWS_ACCESS_KEY_ID": "k", "HOME": "/h"])
        settings.profile = "mine"
        #expect(try settings.environment(from: given)["AWS_PROFILE"] == "mine")
        settings.needsSessionToken = true
        #expect(throws: CommandError.self) { try settings.environment(from: given) }
        #expect(try settings.environment(from: ["AWS_SESSION_TOKEN": "t", "AWS_ACCESS_KEY_ID": "k"]).count == 3)
    }

    @Test func utilityMode() throws {
        guard
            case .listUploads(let settings, "b1c:/p") = try S3FSArguments(parsing: [
                "-u", "b1c:/p", "-o", "url=http://h",
            ])
        else { return #expect(Bool(false)) }
        #expect(settings.url == "http://h")
        guard
            case .abortUploads(_, "b1c", .standard, false) = try S3FSArguments(parsing: [
                "--incomplete-mpu-abort", "b1c",
            ])
        else { return #expect(Bool(false)) }
        guard
            case .abortUploads(_, "b1c", let age, true) = try S3FSArguments(parsing: [
                "--incomplete-mpu-abort=1D12h", "-y", "b1c",
            ])
        else { return #expect(Bool(false)) }
        #expect(age.seconds == 36 * 3600)
        #expect(throws: CommandError.self) { try S3FSArguments(parsing: ["--incomplete-mpu-abort=soon", "b1c"]) }
        #expect(throws: CommandError.self) { try S3FSArguments(parsing: ["-u"]) }
    }

    @Test func whatIsWrongIsSaid() {
        #expect(problem("b1c")?.contains("MOUNTPOINT") == true)
        #expect(problem()?.contains("BUCKET") == true)
        #expect(problem("b1c", "/m", "more")?.contains("more") == true)
        #expect(problem("b1c", "/m", "-o", "use_path_request_stile")?.contains("use_path_request_style") == true)
        #expect(problem("b1c", "/m", "-o", "url=store.example")?.contains("http://") == true)
        #expect(problem("b1c", "/m", "-o", "url")?.contains("needs a value") == true)
        #expect(problem("b1c", "/m", "-o", "allow_other=1")?.contains("takes no value") == true)
        #expect(problem("b1c", "/m", "-o", "accessKeyId=k")?.contains("passwd_file") == true)
        #expect(problem("b1c", "/m", "-o", "uid=me")?.contains("uid") == true)
        #expect(problem("b1c", "/m", "-o", "mp_umask=9")?.contains("octal") == true)
        #expect(problem("-o", "bucket=other", "b1c", "/m")?.contains("two buckets") == true)
        #expect(problem("Big", "/m")?.contains("use_path_request_style") == true)
        #expect(problem("dot.ted", "/m")?.contains("use_path_request_style") == true)
        #expect(problem("dot.ted", "/m", "-o", "url=http://h") == nil)
        #expect(problem("Big", "/m", "-o", "use_path_request_style") == nil)
        #expect(problem("b1c", "/m", "--frob")?.contains("--frob") == true)
    }

    @Test func wordsOfFstabAreNoOptions() throws {
        let options = try request("b1c", "/m", "-o", "rw,_netdev,noauto,user,x-systemd.automount,nosuid,dev,noatime")
            .options
        #expect(options.kernelFlags == ["nosuid", "dev", "noatime"])
        #expect(!options.isReadOnly)
        #expect(try request("b1c", "/m", "-oro").options.isReadOnly)
    }

    @Test func aCommaInAValueIsWrittenWithABackslash() throws {
        #expect(try request("b1c", "/m", "-o", #"fsname=a\,b,ro"#).options.fsName == "a,b")
    }
}

@Suite struct S3FSInvocationTests {
    @Test func theNamesItIsCalledBy() throws {
        #expect(try S3FSInvocation(["/usr/bin/s3fs", "b", "/m", "-f"])?.arguments == ["b", "/m", "-f"])
        #expect(try S3FSInvocation(["pail", "s3fs", "b", "/m"])?.arguments == ["b", "/m"])
        #expect(try S3FSInvocation(["pail", "mount", "s3fs", "/m"]) == nil)
        #expect(try S3FSInvocation(["mount.pail", "s3fs", "/m"]) == nil)
        let helper = try #require(
            try S3FSInvocation([
                "/sbin/mount.fuse.s3fs", "b", "/m", "-sn", "-r", "-o", "dev,url=http://h", "-t", "fuse.s3fs",
            ]))
        #expect(helper.arguments == ["b", "/m", "-o", "ro", "-o", "dev,url=http://h"])
        #expect(!helper.isRehearsal)
        #expect(try S3FSInvocation(["mount.s3fs", "b", "/m", "-f"])?.isRehearsal == true)
        #expect(throws: CommandError.self) { try S3FSInvocation(["mount.s3fs", "b", "/m", "-q"]) }
    }
}
