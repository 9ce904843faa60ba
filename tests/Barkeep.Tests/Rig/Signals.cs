using System.Runtime.InteropServices;

namespace Barkeep.Tests.Rig;

static partial class Signals
{
    /// <summary>Sends a signal; false when there is no such process any more.</summary>
    public static bool Send(this Signal signal, int pid) => Kill(pid, (int)signal) == 0;

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int pid, int signal);
}
