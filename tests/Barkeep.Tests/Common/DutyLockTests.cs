using System.Diagnostics;
using Barkeep.Common;
using Xunit;

namespace Barkeep.Tests.Common;

public sealed class DutyLockTests : IDisposable
{
    readonly string _path = Path.Combine(Path.GetTempPath(), $"barkeep-lock-{Guid.NewGuid():N}");

    [Fact]
    public void A_taken_lock_is_refused_to_the_next_until_it_is_given_back()
    {
        using (DutyLock.TryTake(_path))
        {
            Assert.Null(DutyLock.TryTake(_path));
            Assert.True(DutyLock.IsHeld(_path));
            Assert.Equal(Environment.ProcessId, DutyLock.HolderPid(_path));
        }
        Assert.False(DutyLock.IsHeld(_path));
        using var again = DutyLock.TryTake(_path);
        Assert.NotNull(again);
    }

    [Fact]
    public void Asking_whether_it_is_held_never_takes_it_from_one_who_wants_it()
    {
        using (DutyLock.TryTake(_path))
        {
        }
        var stop = false;
        var asker = new Thread(() =>
        {
            while (!Volatile.Read(ref stop))
            {
                DutyLock.IsHeld(_path);
            }
        });
        asker.Start();
        try
        {
            for (var i = 0; i < 2000; i++)
            {
                using var taken = DutyLock.TryTake(_path);
                Assert.NotNull(taken);
            }
        }
        finally
        {
            Volatile.Write(ref stop, true);
            asker.Join();
        }
    }

    [Fact]
    public void A_lock_that_was_given_back_is_free_while_other_threads_start_processes()
    {
        var stop = false;
        var starter = new Thread(() =>
        {
            while (!Volatile.Read(ref stop))
            {
                using var started = Process.Start("true");
                started.WaitForExit();
            }
        });
        starter.Start();
        try
        {
            for (var i = 0; i < 500; i++)
            {
                using var taken = DutyLock.TryTake(_path);
                Assert.NotNull(taken);
            }
        }
        finally
        {
            Volatile.Write(ref stop, true);
            starter.Join();
        }
    }

    [Fact]
    public void A_lock_file_that_a_dead_process_left_is_no_lock()
    {
        File.WriteAllText(_path, $"{Environment.ProcessId}\n");
        Assert.False(DutyLock.IsHeld(_path));
        using var taken = DutyLock.TryTake(_path);
        Assert.NotNull(taken);
    }

    public void Dispose() => File.Delete(_path);
}
