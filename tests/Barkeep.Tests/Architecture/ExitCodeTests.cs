using Barkeep.Common;
using Xunit;

namespace Barkeep.Tests.Architecture;

public sealed class ExitCodeTests
{
    [Fact]
    public void Exit_codes_never_change_their_meaning()
    {
        // Scripts rely on them: a line may be added here, none changed or removed.
        const string Frozen = """
            1 Failed
            2 Usage
            3 BadWalName
            10 Configuration
            11 UnknownServer
            12 UnknownBackup
            13 NotSetUp
            20 ServerUnreachable
            21 AuthenticationFailed
            22 NoReplicationPrivilege
            23 MissingGrant
            24 WalLevelMinimal
            25 NoFreeWalSender
            26 SlotInUse
            27 SlotMissing
            28 WrongSystem
            29 UnsupportedServer
            30 ConnectionLost
            31 ServerError
            32 WalGap
            33 WalDiverged
            34 WalTimeout
            40 NewerRepository
            41 Damaged
            42 ObjectMissing
            43 DiskFull
            44 Storage
            45 BackupUnusable
            46 Busy
            50 TargetNotEmpty
            51 TargetNotDirectory
            52 TargetUnwritable
            53 TargetTooSmall
            54 TargetInUse
            55 HostilePath
            56 NoUsableBackup
            57 TargetUnreachable
            130 Interrupted
            """;
        Assert.Equal(Frozen, string.Join('\n', Enum.GetValues<ErrorKind>().Select(kind => $"{(int)kind} {kind}")));
    }
}
