using System.Diagnostics;

namespace Barkeep.Bench;

/// <summary>Tells whoever waits what is going on.</summary>
static class Progress
{
    static readonly long Begin = Stopwatch.GetTimestamp();

    public static void Say(string what) => Console.Error.WriteLine($"{Stopwatch.GetElapsedTime(Begin):mm\\:ss} {what}");
}
