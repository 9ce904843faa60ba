using System.Diagnostics;
using Barkeep.Common;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Common;

public sealed class DutyLockDeathTests
{
    // fcntl(F_OFD_SETLK) as the product does it, in another process.
    const string Holder = """
        open(my $f, "+<", $ARGV[0]) or die; my $l = pack("s s x4 q q l x4", 1, 0, 0, 0, 0);
        defined(fcntl($f, 37, $l)) or die "not locked"; $| = 1; print "locked\n"; sleep 600;
        """;

    [Fact]
    public async Task B11_a_lock_dies_with_its_holder_by_kill_9_whatever_its_file_says()
    {
        var path = Path.Combine(RigRoot.NewDirectory("lock"), ".montagu-backup.lock");
        // The process id of a process that lives: this one.
        await File.WriteAllTextAsync(path, $"{Environment.ProcessId}\n");
        Assert.False(DutyLock.IsHeld(path));

        using var holder = Process.Start(new ProcessStartInfo("perl", ["-e", Holder, path]) { RedirectStandardOutput = true })!;
        Assert.Equal("locked", await holder.StandardOutput.ReadLineAsync());
        Assert.True(DutyLock.IsHeld(path));
        Assert.Null(DutyLock.TryTake(path));

        Signal.Kill.Send(holder.Id);
        await holder.WaitForExitAsync();
        Assert.False(DutyLock.IsHeld(path));
        using var taken = DutyLock.TryTake(path);
        Assert.NotNull(taken);
        Assert.Equal(Environment.ProcessId, DutyLock.HolderPid(path));
    }
}
