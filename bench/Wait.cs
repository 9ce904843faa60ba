using System.Diagnostics;

namespace Barkeep.Bench;

static class Wait
{
    /// <summary>Looks again and again, for five minutes at most.</summary>
    /// <exception cref="TimeoutException">It did not come true.</exception>
    public static void Until(string what, Func<bool> condition)
    {
        var start = Stopwatch.GetTimestamp();
        while (!condition())
        {
            if (Stopwatch.GetElapsedTime(start) > TimeSpan.FromMinutes(5))
            {
                throw new TimeoutException($"{what}: waited in vain");
            }
            Thread.Sleep(20);
        }
    }
}
